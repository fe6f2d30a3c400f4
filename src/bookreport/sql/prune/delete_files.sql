-- Deletes the files of the hours of a span from the ledger.
delete from ledger_files where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
