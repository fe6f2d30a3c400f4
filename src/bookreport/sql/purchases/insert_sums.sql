-- Keeps the sums of an hour, each with its canonical ISBN: made once for each ISBN as written, and for no report again.
-- In the order of the catalogue's index, in which it is looked up at half the cost.
insert into hour_sums (hour, isbn10, canonical, rows, books_sold, sale_value)
select cast(:hour as timestamptz), isbn10, canonical_isbn(isbn10) collate "C" as canonical, rows, books_sold, sale_value
from new_sums
order by canonical
