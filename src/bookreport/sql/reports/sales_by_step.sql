-- Books sold and sale value of each step of a span (numbered from 1; :starts are their first hours, ascending, from :since
-- on), including unmatched ones, with the number of hours that are loaded in each, and of those with known sales: loaded, or
-- pruned with their sums kept.
-- The span's sums are read once, grouped and joined by hour, all by hashing.
select width_bucket(l.hour, cast(:starts as timestamptz[])) as step,
    count(*) filter (where l.status = 'loaded') as hours_loaded, count(*) as hours_with_sales,
    coalesce(sum(s.books_sold), 0)::bigint as books_sold, coalesce(sum(s.sale_value), 0) as sale_value
from ledger l left join (
    select hour, sum(books_sold) as books_sold, sum(sale_value) as sale_value
    from hour_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
) s on s.hour = l.hour
where (l.status = 'loaded' or (l.status = 'pruned' and l.sums_kept))
    and l.hour >= cast(:since as timestamptz) and l.hour < cast(:until as timestamptz)
group by step
