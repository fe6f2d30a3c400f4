-- Books sold and sale value of a span by format and language; everything that matches no book is one row of its own.
-- The span's sums are read once and grouped by hashing. Each ISBN is then one lookup in the catalogue's index, in its order,
-- which costs the same for any number of books; `limit` leaves no other plan.
-- Sums of hours that are neither loaded nor pruned with their sums kept don't count; if all hours of the span are there, no
-- sum is checked.
with loaded as (
    select hour from ledger
    where (status = 'loaded' or sums_kept) and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), whole as (
    select count(*) * interval '1 hour' = cast(:until as timestamptz) - cast(:since as timestamptz) as is_whole from loaded
), sold as materialized (
    select canonical, sum(books_sold) as books_sold, sum(sale_value) as sale_value
    from hour_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        and ((select is_whole from whole) or hour in (select hour from loaded))
    group by canonical
    order by canonical
)
select c.isbn10 is not null as matched, c.format, c.language, sum(s.books_sold)::bigint as books_sold,
    sum(s.sale_value) as sale_value, count(*) as isbns
from sold s left join lateral (
    select isbn10, format, language from catalogue where isbn10 = s.canonical limit 1
) c on true
group by matched, c.format, c.language
order by sale_value desc, c.format collate "C" nulls last, c.language collate "C" nulls last
