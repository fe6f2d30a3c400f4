-- The shop's first hour: the oldest in the ledger, or open in the bucket; no row until the whole bucket was searched.
select least((select min(hour) from ledger where hour >= cast(:earliest as timestamptz)), oldest_open) as hour
from source
where looked_through_at is not null
