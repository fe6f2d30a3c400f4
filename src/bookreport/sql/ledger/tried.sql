-- The oldest and the newest hour that a load was tried of, but for those in the future; both null if there is none.
select min(hour) as oldest, max(hour) as newest from ledger
where (status <> 'skipped' or attempts > 0) and hour <= now() + interval '1 hour'
