-- How many of these ISBNs match a book. Each is one lookup in the catalogue's index; `limit` leaves no other plan.
select count(*) as matched
from unnest(cast(:isbns as text[])) as sold (isbn10)
cross join lateral (select from catalogue where isbn10 = canonical_isbn(sold.isbn10) limit 1) c
