-- Takes an hour out of purchase_rows.
delete from purchase_rows where hour = cast(:hour as timestamptz)
