-- Deletes the hours of a span from purchase_rows.
delete from purchase_rows where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
