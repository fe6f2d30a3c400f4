-- Records that an attempt failed; a loaded hour stays loaded, and a pruned one pruned.
insert into ledger (hour, status, last_error, attempts) values (cast(:hour as timestamptz), 'failed', :error, 1)
on conflict (hour) do update set last_error = excluded.last_error, attempts = ledger.attempts + 1,
    status = case when ledger.status in ('loaded', 'pruned') then ledger.status else 'failed' end, reason = null
returning attempts, status
