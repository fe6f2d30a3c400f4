-- What the books table holds: ISBNs, how many of them have several rows, rows without an ISBN and rows with one that no sale can
-- match, with examples; and the formats and languages as spelled there. Reads each book once, groups by hashing, and judges
-- each ISBN once.
with listed as materialized (
    select canonical_isbn(isbn10) as isbn10, format, language from books
), isbns as materialized (
    select isbn10, is_isbn(isbn10) is true as is_valid, count(*) as rows from listed group by isbn10
), invalid as materialized (
    select isbn10, rows, coalesce(btrim(isbn10, E' \t\r\n'), '') = '' as is_empty from isbns where not is_valid
)
select count(*) filter (where is_valid) as isbns,
    count(*) filter (where is_valid and rows > 1) as repeated,
    min(isbn10) filter (where is_valid and rows > 1) as repeated_example,
    (select coalesce(sum(rows), 0)::bigint from invalid where is_empty) as empty,
    (select coalesce(sum(rows), 0)::bigint from invalid where not is_empty) as impossible,
    (select min(isbn10) from invalid where not is_empty) as impossible_example,
    array(select distinct format from listed where format is not null order by format) as formats,
    array(select distinct language from listed where language is not null order by language) as languages
from isbns
