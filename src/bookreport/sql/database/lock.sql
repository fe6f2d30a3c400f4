-- Locks these names until the transaction ends, waiting for each as long as :patience; pg_stat_activity shows the first of them.
-- A name that nobody locked before is held by its insertion, any other by its row. Whoever fails rolls back to the savepoint.
-- It runs within a transaction: begin one first.
savepoint lock;
select set_config('lock_timeout', :patience, true), set_config('application_name', 'bookreport ' || :first, true);
insert into locks (name)
select name from unnest(cast(:names as text[])) as asked (name) order by name
on conflict do nothing;
select name from locks where name = any(cast(:names as text[])) order by name for update;
select set_config('lock_timeout', :lock_timeout, true);
release savepoint lock
