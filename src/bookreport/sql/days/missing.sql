-- The closed days of a span, oldest first, that are not built of the loads that they have now: days before :newest (the start of
-- the newest day with sales), and those that are whole. The ledger is read once.
select l.day
from (
    select date_trunc('day', hour, 'UTC') as day, array_agg(load_id order by hour) as load_ids from ledger
    where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by day
) l left join built_days d on d.day = l.day and d.load_ids = l.load_ids
where d.day is null and (l.day < cast(:newest as timestamptz) or cardinality(l.load_ids) = 24)
order by l.day
