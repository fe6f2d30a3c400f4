-- The gaps of a span: from :since to :until, hours that are in neither the ledger nor the bucket, between two that are.
-- :seen are hours of the bucket; the :unlooked ones end a gap too, but none starts before the oldest of the others. It takes
-- one pass over the known hours, however far apart they are.
with known as (
    select hour from ledger where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    union
    select unnest(cast(:seen as timestamptz[]))
), there as (
    select hour from known
    union
    select hour from unnest(cast(:unlooked as timestamptz[])) as unlooked (hour) where hour > (select min(hour) from known)
)
select hour + interval '1 hour' as since, next_hour as until
from (select hour, lead(hour) over (order by hour) as next_hour from there) each
where next_hour > hour + interval '1 hour'
order by since
