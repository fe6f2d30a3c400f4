-- How many ISBNs the books table has, and how many of them in several rows.
select count(*) as isbns, count(*) filter (where rows > 1) as repeated
from (select count(*) as rows from books where isbn10 is not null group by canonical_isbn(isbn10)) as isbns
