-- Takes the raw text of the rejects before an hour away.
update rejects set raw = null where hour < cast(:before as timestamptz) and raw is not null
