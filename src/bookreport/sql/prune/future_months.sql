-- The months from an hour on that the ledger knows hours of, how many, and the rows that were loaded of them.
select date_trunc('month', hour, 'UTC') as month, count(*) as hours,
    coalesce(sum(rows_loaded) filter (where status = 'loaded'), 0)::bigint as rows
from ledger
where hour >= cast(:since as timestamptz)
group by month
order by month
