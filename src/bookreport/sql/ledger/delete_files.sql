-- Deletes an hour from ledger_files.
delete from ledger_files where hour = cast(:hour as timestamptz)
