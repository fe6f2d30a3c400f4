-- Keeps the sums of an hour, each with its canonical ISBN: made once for each ISBN as written, and for no report again.
insert into hour_sums (hour, isbn10, canonical, rows, books_sold, sale_value)
select cast(:hour as timestamptz), isbn10, canonical_isbn(isbn10), rows, books_sold, sale_value from new_sums
