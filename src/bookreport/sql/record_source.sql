-- Remembers the bucket that the ledger speaks of from now on.
insert into source (endpoint, bucket, prefix) values (:endpoint, :bucket, :prefix)
on conflict (singleton) do update set endpoint = excluded.endpoint, bucket = excluded.bucket, prefix = excluded.prefix
