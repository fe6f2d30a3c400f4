-- The loaded hours of a span whose last reload failed, with its error, oldest first.
select hour, attempts, last_error as error from ledger
where status = 'loaded' and last_error is not null
    and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
order by hour
