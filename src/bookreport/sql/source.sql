-- The bucket that the ledger speaks of; no row before the first load.
select endpoint, bucket, prefix from source
