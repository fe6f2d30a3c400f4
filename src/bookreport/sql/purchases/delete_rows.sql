-- Deletes an hour from purchase_rows.
delete from purchase_rows where hour = cast(:hour as timestamptz)
