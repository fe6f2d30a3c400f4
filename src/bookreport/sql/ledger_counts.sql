-- How many hours of a span are loaded and pruned, and what the loads of the loaded ones set aside or left unmatched.
select count(*) filter (where status = 'loaded') as loaded, count(*) filter (where status = 'pruned') as pruned,
    coalesce(sum(rows_rejected) filter (where status = 'loaded'), 0)::bigint as rejected_rows,
    coalesce(sum(rows_unmatched) filter (where status = 'loaded'), 0)::bigint as rows_unmatched
from ledger
where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
