-- Makes the month's partition of purchase_rows unless it is there.
select ensure_month(cast(:hour as timestamptz))
