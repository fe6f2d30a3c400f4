-- Deletes who bought on the days of a span.
delete from day_users where day >= cast(:since as timestamptz) and day < cast(:until as timestamptz)
