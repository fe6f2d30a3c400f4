-- The hours of a span whose sums by format and language are not those of the catalogue, where their sums by ISBN are right.
-- Reads the sums and the catalogue once, and joins by hashing.
with stored as (
    select hour, matched, format, language, rows, books_sold, sale_value from group_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), counted as (
    select s.hour, c.isbn10 is not null as matched, c.format, c.language, sum(s.rows) as rows, sum(s.books_sold) as books_sold,
        sum(s.sale_value) as sale_value
    from hour_sums s left join catalogue c on c.isbn10 = s.canonical
    where s.hour >= cast(:since as timestamptz) and s.hour < cast(:until as timestamptz)
        and s.hour in (select hour from stored)
    group by s.hour, matched, c.format, c.language
)
select hour, count(*) as groups
from (
    (table stored except table counted) union all (table counted except table stored)
) as differing
group by hour
order by hour
