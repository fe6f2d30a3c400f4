-- The shop's first hour: the oldest that had files, or was open in the bucket; no row until the whole bucket was searched.
-- A skipped hour may be a mistyped one.
select least((
    select min(hour) from ledger where hour >= cast(:earliest as timestamptz) and status <> 'skipped'
), oldest_open) as hour
from source
where looked_through_at is not null
