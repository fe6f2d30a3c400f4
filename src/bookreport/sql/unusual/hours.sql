-- The hours of a span whose rows are far from usual, with the usual number: the median of that hour of the week before.
-- Compares each with what that hour of the week, and the hours beside it (clocks change), had in the :weeks weeks before:
-- unusual is beyond :far times the quartiles. Silent about hours with fewer than :least_weeks of them or :least_rows usual rows.
-- The ledger of the span, and of the weeks before it, is read once and hashed; only the medians need a sort, of 24 rows an hour.
with judged as (
    select hour, rows_loaded as rows, loaded_at from ledger
    where (status = 'loaded' or sums_kept) and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), before as (
    select *, hour - (week * 168 - beside) * interval '1 hour' as earlier
    from (
        select *, generate_series(-1, 1) as beside
        from (select *, generate_series(1, cast(:weeks as integer)) as week from judged) as each_week
    ) as each_hour
), known as (
    select hour, rows_loaded as rows from ledger
    where status in ('loaded', 'pruned') and hour < cast(:until as timestamptz)
        and hour >= cast(:since as timestamptz) - (cast(:weeks as integer) * 168 + 1) * interval '1 hour'
)
select hour, rows, usual, loaded_at
from (
    select b.hour, b.rows, b.loaded_at, count(*) filter (where b.beside = 0) as weeks,
        percentile_disc(0.5) within group (order by k.rows) filter (where b.beside = 0) as usual,
        percentile_disc(0.25) within group (order by k.rows) as lower,
        percentile_disc(0.75) within group (order by k.rows) as upper
    from before b join known k on k.hour = b.earlier
    group by b.hour, b.rows, b.loaded_at
) as compared
where weeks >= :least_weeks and usual >= :least_rows
    and (rows * :far < least(lower, usual) or rows > greatest(upper, usual) * :far)
order by hour
