-- The days of each step that have loaded hours, and whether the day is built of just these; if not, they are in `hours`.
-- Steps (:since, :until) ascend, and don't overlap. The ledger of the span is read once, each hour finding its step by bisection.
with loaded as (
    select width_bucket(hour, cast(:since as timestamptz[])) as step, date_trunc('day', hour, 'UTC') as day, hour, load_id
    from ledger
    where status = 'loaded' and hour >= (cast(:since as timestamptz[]))[1]
        and hour < (cast(:until as timestamptz[]))[cardinality(cast(:until as timestamptz[]))]
), by_day as (
    select step, day, array_agg(hour order by hour) as hours, array_agg(load_id order by hour) as load_ids
    from loaded
    where hour < (cast(:until as timestamptz[]))[step]
    group by step, day
)
select b.step, b.day, case when d.day is null then b.hours end as hours
from by_day b left join built_days d on d.day = b.day and d.load_ids = b.load_ids
order by b.day, b.step
