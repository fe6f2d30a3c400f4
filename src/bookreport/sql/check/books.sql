-- What the books table holds: ISBNs, how many of them have several rows, rows without one that a sale could match, with an
-- example; and the formats and languages as spelled there. Reads each book once, groups by hashing, and judges each ISBN once.
with listed as materialized (
    select canonical_isbn(isbn10) as isbn10, format, language from books
), isbns as materialized (
    select isbn10, is_isbn(isbn10) is true as is_valid, count(*) as rows from listed group by isbn10
)
select count(*) filter (where is_valid) as isbns, count(*) filter (where is_valid and rows > 1) as repeated,
    coalesce(sum(rows) filter (where not is_valid), 0)::bigint as without_isbn,
    min(isbn10) filter (where not is_valid) as example,
    array(select distinct format from listed where format is not null order by format) as formats,
    array(select distinct language from listed where language is not null order by language) as languages
from isbns
