-- Takes the hours of a span out of the ledger, as if none had ever been tried; the history of loads keeps them.
delete from ledger where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
