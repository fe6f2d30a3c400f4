-- The shop's first hour: the oldest that the ledger knows, or that was open in the bucket; no row until all of it was looked through.
select least((select min(hour) from ledger where hour >= cast(:earliest as timestamptz)), oldest_open) as hour
from source
where looked_through_at is not null
