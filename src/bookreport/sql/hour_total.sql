-- The total of an hour's sums, and the rows sold under an ISBN that the catalogue does not hold.
select coalesce(sum(s.rows), 0)::bigint as rows, coalesce(sum(s.books_sold), 0)::bigint as books_sold,
    coalesce(sum(s.sale_value), 0) as sale_value,
    coalesce(sum(s.rows) filter (where c.isbn10 is null), 0)::bigint as rows_unmatched
from hour_sums s left join catalogue c on c.isbn10 = canonical_isbn(s.isbn10)
where s.hour = cast(:hour as timestamptz)
