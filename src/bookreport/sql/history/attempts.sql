-- The newest :limit attempts to load, newest first: of these hours (null: of all) that ended in a span (null: unbounded).
-- Attempts are numbered as they end, so the walk from the newest back stops a day (in case the clock was set back) before
-- :since; an hour's are found by its index, and nowhere else (+ 0: the order of numbers does not tempt the planner to walk).
-- Without a join, no plan does worse than to read loads once.
select run_id, hour, outcome, started_at, finished_at, seconds, files, bytes, rows_loaded, rows_rejected,
    books_sold_before, books_sold, sale_value_before, sale_value, error, version
from loads
where (cast(:hours as timestamptz[]) is null or hour = any(cast(:hours as timestamptz[])))
    and (cast(:since as timestamptz) is null or finished_at >= cast(:since as timestamptz))
    and (cast(:until as timestamptz) is null or finished_at < cast(:until as timestamptz))
    and (cast(:since as timestamptz) is null or load_id > coalesce((
        select load_id from loads where finished_at < cast(:since as timestamptz) - interval '1 day'
        order by load_id desc limit 1
    ), 0))
order by case when cast(:hours as timestamptz[]) is null then load_id else load_id + 0 end desc
limit :limit
