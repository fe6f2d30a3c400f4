-- Deletes a skipped hour that no load was tried of: nothing else is known about it.
delete from ledger where hour = cast(:hour as timestamptz) and status = 'skipped' and attempts = 0
