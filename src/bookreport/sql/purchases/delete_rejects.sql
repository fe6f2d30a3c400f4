-- Deletes an hour's rejects.
delete from rejects where hour = cast(:hour as timestamptz)
