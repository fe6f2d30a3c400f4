-- The hours in which some users bought, with the number of their rows. Reads all purchases once; no index knows the users.
select user_id, hour, count(*) as rows from purchase_rows
where user_id = any(cast(:users as text[]))
group by user_id, hour
