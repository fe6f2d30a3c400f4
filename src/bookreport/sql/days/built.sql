-- The days that begin in a span and are built of the loads that they have now.
select d.day
from built_days d join (
    select date_trunc('day', hour, 'UTC') as day, array_agg(load_id order by hour) as load_ids from ledger
    where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by day
) l on l.day = d.day and l.load_ids = d.load_ids
order by d.day
