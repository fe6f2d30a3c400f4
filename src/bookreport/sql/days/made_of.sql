-- The loads that a day has now, oldest hour first, and when the catalogue's books were read.
select as_of, array(
    select load_id from ledger
    where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    order by hour
) as load_ids
from catalogue_state
