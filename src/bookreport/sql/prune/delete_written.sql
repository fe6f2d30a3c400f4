-- Deletes what is recorded of the report files that were written for the hours of a span; the files stay.
delete from reports_written where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
