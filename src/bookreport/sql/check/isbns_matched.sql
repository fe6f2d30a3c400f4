-- How many different ISBNs were sold in the 24 hours up to an hour, and how many of them are in the catalogue.
-- Each is one lookup in the catalogue's index, in its order; `limit` leaves no other plan.
select count(*) as sold, count(c.isbn10) as matched
from (
    select distinct canonical from hour_sums
    where hour > cast(:newest as timestamptz) - interval '24 hours' and hour <= cast(:newest as timestamptz)
        and is_isbn(canonical)
    order by canonical
) s left join lateral (select isbn10 from catalogue where isbn10 = s.canonical limit 1) c on true
