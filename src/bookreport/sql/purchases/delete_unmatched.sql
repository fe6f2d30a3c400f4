-- Deletes hours from unmatched_sums.
delete from unmatched_sums where hour = any(cast(:hours as timestamptz[]))
