-- The loaded hours of a span, with the rows loaded and set aside in each.
select hour, rows_loaded, rows_rejected from ledger
where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
