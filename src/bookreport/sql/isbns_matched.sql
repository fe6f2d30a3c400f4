-- How many of these ISBNs match a book.
select count(*) as matched
from unnest(cast(:isbns as text[])) as sold (isbn10) join catalogue c on c.isbn10 = canonical_isbn(sold.isbn10)
