-- Remembers the bucket that the ledger belongs to, where it belongs to none yet.
insert into source (endpoint, bucket, prefix) values (:endpoint, :bucket, :prefix)
on conflict (singleton) do nothing
