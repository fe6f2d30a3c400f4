-- The total of an hour's sums, the rows sold under an ISBN that is not in the catalogue, and those under no valid ISBN.
-- Each sum is one lookup in the catalogue's index, which costs the same for any number of books; `limit` leaves no other plan.
select coalesce(sum(s.rows), 0)::bigint as rows, coalesce(sum(s.books_sold), 0)::bigint as books_sold,
    coalesce(sum(s.sale_value), 0) as sale_value,
    coalesce(sum(s.rows) filter (where c.isbn10 is null), 0)::bigint as rows_unmatched,
    coalesce(sum(s.rows) filter (where not is_isbn(s.canonical) and s.canonical !~ '^979[0-9]{10}$'), 0)::bigint as rows_without_isbn
from hour_sums s left join lateral (select isbn10 from catalogue where isbn10 = s.canonical limit 1) c on true
where s.hour = cast(:hour as timestamptz)
