-- Books sold and sale value of each step of a span (numbered from 1; :starts are their first hours, ascending, from :since
-- on), including unmatched ones, with the number of hours that are loaded in each, and of those with known sales: loaded, or
-- pruned with their sums kept.
-- The sums by ISBN are read only for hours without sums by format and language, between the first and the last of these; all
-- sums are read once, grouped and joined by hour, all by hashing.
with counted as materialized (
    select hour, status, rows_loaded, width_bucket(hour, cast(:starts as timestamptz[])) as step from ledger
    where (status = 'loaded' or (status = 'pruned' and sums_kept))
        and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), grouped as materialized (
    select hour, sum(books_sold) as books_sold, sum(sale_value) as sale_value from group_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), ungrouped as materialized (
    select hour from counted c where rows_loaded > 0 and not exists (select from grouped g where g.hour = c.hour)
), sums as (
    select hour, books_sold, sale_value from grouped
    union all
    select hour, sum(books_sold), sum(sale_value) from hour_sums
    where hour >= (select min(hour) from ungrouped) and hour <= (select max(hour) from ungrouped)
        and (select count(*) > 0 from ungrouped) and hour in (select hour from ungrouped)
    group by hour
)
select step, count(*) filter (where c.status = 'loaded') as hours_loaded, count(*) as hours_with_sales,
    coalesce(sum(s.books_sold), 0)::bigint as books_sold, coalesce(sum(s.sale_value), 0) as sale_value
from counted c left join sums s on s.hour = c.hour
group by step
