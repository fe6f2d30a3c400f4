-- The loaded hours of a span, with the number of rows loaded and records set aside in each.
select hour, rows_loaded, rows_rejected, load_id from ledger
where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
order by hour
