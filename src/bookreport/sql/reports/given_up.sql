-- The hours of a span that were skipped or pruned, and whether their sums were kept.
select hour, status, sums_kept from ledger
where status in ('skipped', 'pruned') and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
order by hour
