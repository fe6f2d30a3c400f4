-- The months before an hour that hold rows or, unless sums are kept, sums; with the number of hours and of loaded rows.
select date_trunc('month', hour, 'UTC') as month, count(*) as hours,
    coalesce(sum(rows_loaded) filter (where status = 'loaded'), 0)::bigint as rows
from ledger
where hour < cast(:before as timestamptz) and (status = 'loaded' or (status = 'pruned' and sums_kept and not :keep_sums))
group by month
order by month
