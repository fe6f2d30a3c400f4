-- Deletes the hours of a span from the ledger, as if they had never been tried; the history of loads keeps them.
delete from ledger where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
