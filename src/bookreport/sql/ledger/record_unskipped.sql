-- Takes back that an hour was given up which had been tried before: it had failed, since no other hour can be skipped.
update ledger set status = 'failed', reason = null where hour = cast(:hour as timestamptz) and status = 'skipped'
