-- Deletes an hour from hour_sums.
delete from hour_sums where hour = cast(:hour as timestamptz)
