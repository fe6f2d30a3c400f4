-- Takes an hour out of hour_sums.
delete from hour_sums where hour = cast(:hour as timestamptz)
