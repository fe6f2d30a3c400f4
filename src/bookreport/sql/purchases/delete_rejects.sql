-- Takes an hour out of rejects.
delete from rejects where hour = cast(:hour as timestamptz)
