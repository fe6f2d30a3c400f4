-- How many ISBNs the books table has, how many of them have several rows, and how many rows have none that a sale could match.
select count(*) filter (where is_isbn(isbn10)) as isbns, count(*) filter (where is_isbn(isbn10) and rows > 1) as repeated,
    coalesce(sum(rows) filter (where is_isbn(isbn10) is not true), 0)::bigint as without_isbn,
    min(isbn10) filter (where not is_isbn(isbn10)) as example
from (select canonical_isbn(isbn10) as isbn10, count(*) as rows from books group by 1) as isbns
