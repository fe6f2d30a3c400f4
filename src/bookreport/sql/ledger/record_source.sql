-- Records the bucket that the ledger belongs to; a new one has not been searched.
insert into source (endpoint, bucket, prefix) values (:endpoint, :bucket, :prefix)
on conflict (singleton) do update set endpoint = excluded.endpoint, bucket = excluded.bucket, prefix = excluded.prefix,
    looked_through_at = case when (source.endpoint, source.bucket, source.prefix)
        = (excluded.endpoint, excluded.bucket, excluded.prefix) then source.looked_through_at end
