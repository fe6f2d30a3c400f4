-- Deletes the rejects of the hours of a span that were loaded.
delete from rejects r using ledger l
where l.hour = r.hour and l.status in ('loaded', 'pruned')
    and r.hour >= cast(:since as timestamptz) and r.hour < cast(:until as timestamptz)
