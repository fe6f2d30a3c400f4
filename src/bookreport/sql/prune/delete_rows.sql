-- Takes the hours of a span out of purchase_rows.
delete from purchase_rows where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
