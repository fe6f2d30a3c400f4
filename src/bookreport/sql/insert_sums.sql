-- Keeps the sums of an hour.
insert into hour_sums (hour, isbn10, rows, books_sold, sale_value)
select cast(:hour as timestamptz), isbn10, rows, books_sold, sale_value from new_sums
