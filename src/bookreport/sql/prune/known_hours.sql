-- The hours of a span that are in the ledger, oldest first.
select hour from ledger
where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
order by hour
