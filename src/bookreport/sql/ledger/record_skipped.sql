-- Gives an hour up.
insert into ledger (hour, status, reason) values (cast(:hour as timestamptz), 'skipped', :reason)
on conflict (hour) do update set status = excluded.status, reason = excluded.reason
