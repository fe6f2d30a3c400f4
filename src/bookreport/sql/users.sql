-- Distinct users with a loaded purchase in a span. Its rows are read once, and made distinct by hashing.
select count(*) as users
from (
    select distinct user_id from purchase_rows
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
) as users
