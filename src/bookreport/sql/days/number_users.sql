-- Gives the users of the day that have none the next numbers. All users are read once and hashed.
insert into user_numbers (user_id, number)
select user_id, (select coalesce(max(number), -1) from user_numbers) + row_number() over ()
from (select distinct user_id from bought) b
where not exists (select from user_numbers u where u.user_id = b.user_id)
