-- Records that a run has searched the whole bucket, and the oldest hour that was open there; unless the bucket has moved.
update source set looked_through_at = clock_timestamp(), oldest_open = cast(:oldest_open as timestamptz)
where endpoint = :endpoint and bucket = :bucket and prefix = :prefix
