-- The rows of a span's loaded hours that were sold under ISBNs missing from the current catalogue.
-- The span's sums are read once and grouped by hashing. Each ISBN is then one lookup in the catalogue's index, in its order,
-- which costs the same for any number of books; `limit` leaves no other plan.
with sold as materialized (
    select canonical, sum(rows) as rows
    from hour_sums
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        and hour in (select hour from ledger where status = 'loaded')
    group by canonical
    order by canonical
)
select coalesce(sum(s.rows), 0)::bigint as rows_unmatched
from sold s left join lateral (select isbn10 from catalogue where isbn10 = s.canonical limit 1) c on true
where c.isbn10 is null
