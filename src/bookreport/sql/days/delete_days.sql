-- Forgets that the days of a span are built.
delete from built_days where day >= cast(:since as timestamptz) and day < cast(:until as timestamptz)
