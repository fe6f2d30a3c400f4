-- Distinct users with a loaded purchase in a span.
select count(*) as users
from (
    select distinct user_id from purchase_rows
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
) as users
