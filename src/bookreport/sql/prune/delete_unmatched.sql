-- Deletes the hours of a span from unmatched_sums.
delete from unmatched_sums where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
