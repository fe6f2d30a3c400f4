-- The hours of a span where tables and ledger differ, and how; for an hour that is not loaded, the tables must hold nothing.
-- Reads each table once within the span, grouped and joined by hour, all by hashing.
with known as (
    select hour, status, rows_loaded, rows_rejected, files, status = 'loaded' as is_loaded,
        status = 'loaded' or sums_kept as has_sums
    from ledger
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), counted as (
    select hour, count(*) as rows, sum(quantity) as books_sold, sum(sale_value) as sale_value from purchases
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), summed as (
    select hour, sum(rows) as rows, sum(books_sold) as books_sold, sum(sale_value) as sale_value from hour_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), grouped as (
    select hour, sum(rows) as rows, sum(rows) filter (where not matched) as rows_unmatched, sum(books_sold) as books_sold,
        sum(sale_value) as sale_value
    from group_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), unmatched as (
    select hour, sum(rows) as rows from unmatched_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), by_file as (
    select hour, count(*) as files, sum(rows_loaded) as rows_loaded, sum(rows_rejected) as rows_rejected from ledger_files
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), set_aside as (
    select hour, count(*) as rows from rejects
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), hours as (
    select hour from known union select hour from counted union select hour from summed union select hour from set_aside
    union select hour from grouped union select hour from unmatched
)
select h.hour, a.kind, a.what, a.expected, a.found
from hours h
left join known k on k.hour = h.hour
left join counted c on c.hour = h.hour
left join summed s on s.hour = h.hour
left join grouped g on g.hour = h.hour
left join unmatched u on u.hour = h.hour
left join by_file f on f.hour = h.hour
left join set_aside r on r.hour = h.hour
cross join lateral (values
    ('rows', 'rows', case when k.is_loaded then k.rows_loaded else 0 end::numeric, coalesce(c.rows, 0)::numeric),
    ('rows', 'rows by file', coalesce(k.rows_loaded, 0), coalesce(f.rows_loaded, 0)),
    ('rows', 'rejects', case when k.is_loaded then k.rows_rejected else 0 end, coalesce(r.rows, 0)),
    ('rows', 'rejects by file', coalesce(k.rows_rejected, 0), coalesce(f.rows_rejected, 0)),
    ('rows', 'files', coalesce(k.files, 0), coalesce(f.files, 0)),
    ('sums', 'summed rows', case when k.has_sums then k.rows_loaded else 0 end, coalesce(s.rows, 0)),
    ('sums', 'books sold', coalesce(s.books_sold, 0), coalesce(c.books_sold, 0)),
    ('sums', 'sale value', coalesce(s.sale_value, 0), coalesce(c.sale_value, 0)),
    -- Hours that were loaded before there were sums by format and language may have none.
    ('sums', 'rows by format and language', coalesce(s.rows, 0), coalesce(g.rows, s.rows, 0)),
    ('sums', 'books sold by format and language', coalesce(s.books_sold, 0), coalesce(g.books_sold, s.books_sold, 0)),
    ('sums', 'sale value by format and language', coalesce(s.sale_value, 0), coalesce(g.sale_value, s.sale_value, 0)),
    ('sums', 'unmatched rows', coalesce(g.rows_unmatched, 0), coalesce(u.rows, 0))
) as a (kind, what, expected, found)
where a.expected is distinct from a.found
    -- Only a loaded hour has both its sums and the rows they were made from.
    and (k.is_loaded or a.what not in ('books sold', 'sale value'))
    -- The first rejects of a failed attempt are kept for whoever fixes its files, or gives the hour up.
    and (a.what <> 'rejects' or k.status is null or k.status not in ('failed', 'skipped'))
order by h.hour, a.kind, a.what
