-- The bucket that the ledger belongs to, and when a run had searched all of it; no row before the first load.
select endpoint, bucket, prefix, looked_through_at from source
