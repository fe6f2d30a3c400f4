-- Deletes the groups that nothing is left of.
delete from group_sums where rows = 0
