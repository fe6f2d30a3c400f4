-- Hours from :since on (null: all) that need no load: loaded already, or given up.
select hour from ledger
where status in ('loaded', 'skipped', 'pruned') and hour >= coalesce(cast(:since as timestamptz), '-infinity')
