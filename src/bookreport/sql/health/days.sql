-- The UTC days of a span that the ledger knows hours of.
select distinct date_trunc('day', hour, 'UTC') as day from ledger
where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
