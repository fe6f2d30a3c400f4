-- Loaded hours that are not believable: before :since, or from :until on, as runs of them, oldest first.
select min(hour) as since, max(hour) + interval '1 hour' as until, count(*) as hours
from (
    select hour, hour - row_number() over (order by hour) * interval '1 hour' as run from ledger
    where status = 'loaded' and (hour < cast(:since as timestamptz) or hour >= cast(:until as timestamptz))
) each
group by run
order by since
