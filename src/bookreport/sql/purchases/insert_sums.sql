-- Stores the sums of an hour, each with its canonical ISBN: computed once per ISBN as written, and not again for reports.
-- Stored in the order of the catalogue's index, which halves the cost of lookups.
insert into hour_sums (hour, isbn10, canonical, rows, books_sold, sale_value)
select cast(:hour as timestamptz), isbn10, canonical_isbn(isbn10) collate "C" as canonical, rows, books_sold, sale_value
from new_sums
order by canonical
