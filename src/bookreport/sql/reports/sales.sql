-- Books sold and sale value of a span by format and language; everything that matches no book is one row of its own.
-- Sums of hours that are neither loaded nor pruned with their sums kept don't count.
-- The sums by ISBN are read only for hours without sums by format and language, between the first and the last of these; each
-- of their ISBNs is one lookup in the catalogue's index, in its order; `limit` leaves no other plan.
with counted as materialized (
    select hour, rows_loaded from ledger
    where (status = 'loaded' or sums_kept) and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), grouped as materialized (
    select hour, matched, format, language, books_sold, sale_value from group_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz) and hour in (select hour from counted)
), ungrouped as materialized (
    select hour from counted c where rows_loaded > 0 and not exists (select from grouped g where g.hour = c.hour)
), by_isbn as materialized (
    select canonical, sum(books_sold) as books_sold, sum(sale_value) as sale_value
    from hour_sums
    where hour >= (select min(hour) from ungrouped) and hour <= (select max(hour) from ungrouped)
        and (select count(*) > 0 from ungrouped) and hour in (select hour from ungrouped)
    group by canonical
    order by canonical
), judged as materialized (
    select s.canonical, c.isbn10 is not null as matched, c.format, c.language, s.books_sold, s.sale_value
    from by_isbn s left join lateral (
        select isbn10, format, language from catalogue where isbn10 = s.canonical limit 1
    ) c on true
), unmatched as (
    select canonical from unmatched_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz) and hour in (select hour from counted)
    union
    select canonical from judged where not matched
)
select matched, format, language, sum(books_sold)::bigint as books_sold, sum(sale_value) as sale_value,
    case when matched then 0 else (select count(*) from unmatched) end as isbns
from (
    select matched, format, language, books_sold, sale_value from grouped
    union all
    select matched, format, language, books_sold, sale_value from judged
) as each
group by matched, format, language
order by sale_value desc, format collate "C" nulls last, language collate "C" nulls last
