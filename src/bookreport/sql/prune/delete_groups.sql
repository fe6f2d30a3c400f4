-- Deletes the hours of a span from group_sums.
delete from group_sums where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
