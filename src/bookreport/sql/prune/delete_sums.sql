-- Deletes the hours of a span from hour_sums.
delete from hour_sums where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
