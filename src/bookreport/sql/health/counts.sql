-- How many hours of a span are loaded and pruned, and how many records the loads of the loaded ones set aside.
select count(*) filter (where status = 'loaded') as loaded, count(*) filter (where status = 'pruned') as pruned,
    coalesce(sum(rows_rejected) filter (where status = 'loaded'), 0)::bigint as rejected_rows
from ledger
where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
