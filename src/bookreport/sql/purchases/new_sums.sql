-- Adds up an hour's rows by ISBN as written; into its own table, since only then does Postgres use parallel workers.
create temporary table new_sums on commit drop as
select isbn10, count(*) as rows, sum(coalesce(quantity, 1)) as books_sold,
    sum(coalesce(sale_value, coalesce(quantity, 1) * unit_price)) as sale_value
from purchase_rows
where hour = cast(:hour as timestamptz)
group by isbn10
