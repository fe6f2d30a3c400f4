-- Writes that an attempt failed; a loaded hour stays loaded.
insert into ledger (hour, status, last_error, attempts) values (cast(:hour as timestamptz), 'failed', :error, 1)
on conflict (hour) do update set last_error = excluded.last_error, attempts = ledger.attempts + 1,
    status = case ledger.status when 'loaded' then 'loaded' else 'failed' end
returning attempts, status
