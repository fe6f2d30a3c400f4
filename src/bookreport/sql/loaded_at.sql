-- The loaded hours from :since on (null: all), and when each was loaded.
select hour, loaded_at from ledger
where status = 'loaded' and hour >= coalesce(cast(:since as timestamptz), '-infinity')
order by hour
