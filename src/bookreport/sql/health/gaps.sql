-- The gaps of a span: from :since to :until, hours that are in neither the ledger nor the bucket, between two that are.
-- :seen are hours of the bucket; skipped hours, which may be mistyped, and the :unlooked ones end a gap too, but none starts
-- before the oldest of the others. It takes one pass over the known hours, however far apart they are.
with known as (
    select hour, status from ledger where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    union
    select unnest(cast(:seen as timestamptz[])), 'seen'
), bounds as (
    select min(hour) as oldest, max(hour) as newest from known where status <> 'skipped'
), there as (
    select k.hour from known k, bounds b where k.hour between b.oldest and b.newest
    union
    select u.hour from unnest(cast(:unlooked as timestamptz[])) as u (hour), bounds b where u.hour > b.oldest
)
select hour + interval '1 hour' as since, next_hour as until
from (select hour, lead(hour) over (order by hour) as next_hour from there) each
where next_hour > hour + interval '1 hour'
order by since
