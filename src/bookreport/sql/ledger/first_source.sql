-- Records the bucket that the ledger belongs to, unless it belongs to one already.
insert into source (endpoint, bucket, prefix) values (:endpoint, :bucket, :prefix)
on conflict (singleton) do nothing
