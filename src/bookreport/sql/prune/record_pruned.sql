-- Marks the loaded hours of a span as pruned.
update ledger set status = 'pruned', sums_kept = :keep_sums
where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    and (status = 'loaded' or (status = 'pruned' and sums_kept))
