-- The gaps of a span: from :since to :until, hours that are neither in the ledger nor in the bucket, between two that are.
-- :seen are hours of the bucket; the :unlooked ones end a gap too, but none begins before the oldest of the others. It costs
-- one pass over the hours that are known, however far they lie apart.
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
