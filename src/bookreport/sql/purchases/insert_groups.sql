-- Stores the sums of an hour by format and language, and those of unmatched ISBNs; returns their total, the rows sold under an
-- ISBN that is not in the catalogue, and those under no valid ISBN.
-- Each sum is one lookup in the catalogue's index, which costs the same for any number of books; `limit` leaves no other plan.
with judged as materialized (
    select s.canonical, c.isbn10 is not null as matched, c.format, c.language, s.rows, s.books_sold, s.sale_value
    from hour_sums s left join lateral (
        select isbn10, format, language from catalogue where isbn10 = s.canonical limit 1
    ) c on true
    where s.hour = cast(:hour as timestamptz)
), grouped as (
    insert into group_sums (hour, matched, format, language, rows, books_sold, sale_value)
    select cast(:hour as timestamptz), matched, format, language, sum(rows), sum(books_sold), sum(sale_value)
    from judged
    group by matched, format, language
), unmatched as (
    insert into unmatched_sums (hour, canonical, rows, books_sold, sale_value)
    select cast(:hour as timestamptz), canonical, sum(rows), sum(books_sold), sum(sale_value)
    from judged
    where not matched
    group by canonical
)
select coalesce(sum(rows), 0)::bigint as rows, coalesce(sum(books_sold), 0)::bigint as books_sold,
    coalesce(sum(sale_value), 0) as sale_value, coalesce(sum(rows) filter (where not matched), 0)::bigint as rows_unmatched,
    coalesce(sum(rows) filter (where not is_isbn(canonical) and canonical !~ '^979[0-9]{10}$'), 0)::bigint as rows_without_isbn
from judged
