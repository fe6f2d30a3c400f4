-- What the books table holds: ISBNs, how many of them have several rows, rows without one that a sale could match, with an
-- example; and the formats and languages as spelled there. Reads each book once, and groups by hashing.
with listed as materialized (
    select canonical_isbn(isbn10) as isbn10, format, language, count(*) as rows from books group by 1, 2, 3
), isbns as (
    select isbn10, sum(rows) as rows from listed group by isbn10
)
select count(*) filter (where is_isbn(isbn10)) as isbns, count(*) filter (where is_isbn(isbn10) and rows > 1) as repeated,
    coalesce(sum(rows) filter (where is_isbn(isbn10) is not true), 0)::bigint as without_isbn,
    min(isbn10) filter (where not is_isbn(isbn10)) as example,
    array(select distinct format from listed where format is not null order by format) as formats,
    array(select distinct language from listed where language is not null order by language) as languages
from isbns
