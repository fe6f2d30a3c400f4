-- Deletes hours from group_sums.
delete from group_sums where hour = any(cast(:hours as timestamptz[]))
