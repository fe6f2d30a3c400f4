-- Creates the month's partition of purchase_rows if it is missing.
select ensure_month(cast(:hour as timestamptz))
