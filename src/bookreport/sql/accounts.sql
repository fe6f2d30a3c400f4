-- The loaded hours of a span whose tables don't hold what the ledger says, and what it is.
-- Each table is read once within the span, grouped and joined by hour, all of it by hashing.
with hours as (
    select hour, rows_loaded, rows_rejected, files from ledger
    where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), counted as (
    select hour, count(*) as rows, sum(quantity) as books_sold, sum(sale_value) as sale_value from purchases
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
    group by hour
), summed as (
    select hour, sum(rows) as rows, sum(books_sold) as books_sold, sum(sale_value) as sale_value from hour_sums
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
)
select h.hour, a.kind, a.what, a.expected, a.found
from hours h
left join counted c on c.hour = h.hour
left join summed s on s.hour = h.hour
left join by_file f on f.hour = h.hour
left join set_aside r on r.hour = h.hour
cross join lateral (values
    ('rows', 'rows', h.rows_loaded::numeric, coalesce(c.rows, 0)::numeric),
    ('rows', 'rows by file', h.rows_loaded, coalesce(f.rows_loaded, 0)),
    ('rows', 'rejects', h.rows_rejected, coalesce(r.rows, 0)),
    ('rows', 'rejects by file', h.rows_rejected, coalesce(f.rows_rejected, 0)),
    ('rows', 'files', h.files, coalesce(f.files, 0)),
    ('sums', 'summed rows', h.rows_loaded, coalesce(s.rows, 0)),
    ('sums', 'books sold', coalesce(s.books_sold, 0), coalesce(c.books_sold, 0)),
    ('sums', 'sale value', coalesce(s.sale_value, 0), coalesce(c.sale_value, 0))
) as a (kind, what, expected, found)
where a.expected is distinct from a.found
order by h.hour, a.kind, a.what
