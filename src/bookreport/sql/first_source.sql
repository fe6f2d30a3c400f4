-- Remembers the bucket that the ledger speaks of, where it speaks of none yet.
insert into source (endpoint, bucket, prefix) values (:endpoint, :bucket, :prefix)
on conflict (singleton) do nothing
