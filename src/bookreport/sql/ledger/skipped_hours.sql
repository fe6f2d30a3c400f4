-- The hours of a span that were given up, and why, oldest first.
select hour, reason from ledger
where status = 'skipped' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
order by hour
