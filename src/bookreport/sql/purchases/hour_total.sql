-- The total of an hour's sums.
select coalesce(sum(rows), 0)::bigint as rows, coalesce(sum(books_sold), 0)::bigint as books_sold,
    coalesce(sum(sale_value), 0) as sale_value
from hour_sums
where hour = cast(:hour as timestamptz)
