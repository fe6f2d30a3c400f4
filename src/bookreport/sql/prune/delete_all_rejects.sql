-- Deletes the rejects of the hours of a span, those of attempts that failed included.
delete from rejects where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
