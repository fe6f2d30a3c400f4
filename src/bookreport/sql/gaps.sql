-- The hours of a span that the ledger does not know, between the oldest and the newest known to it or seen in the bucket.
with known as (
    select hour from ledger where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), bounds as (
    select least(min(hour), cast(:oldest_seen as timestamptz)) as oldest,
        greatest(max(hour), cast(:newest_seen as timestamptz)) as newest
    from known
)
select hours.hour from bounds cross join generate_series(oldest, newest, interval '1 hour') as hours (hour)
except select hour from known
order by hour
