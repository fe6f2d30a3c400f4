-- Makes the sums of an hour's rows by ISBN as written.
insert into hour_sums (hour, isbn10, rows, books_sold, sale_value)
select cast(:hour as timestamptz), isbn10, count(*), sum(coalesce(quantity, 1)),
    sum(coalesce(sale_value, coalesce(quantity, 1) * unit_price))
from purchase_rows
where hour = cast(:hour as timestamptz)
group by isbn10
