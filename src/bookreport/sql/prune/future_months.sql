-- The months with hours in the ledger from an hour on, the number of those hours, and of the rows loaded for them.
select date_trunc('month', hour, 'UTC') as month, count(*) as hours,
    coalesce(sum(rows_loaded) filter (where status = 'loaded'), 0)::bigint as rows
from ledger
where hour >= cast(:since as timestamptz)
group by month
order by month
