-- How many different ISBNs were sold in the 24 hours up to an hour, and how many of them are in the catalogue; how many books
-- that was, and under which code most of those were sold that are not in it.
-- Each code is one lookup in the catalogue's index, in its order; `limit` leaves no other plan.
select count(*) filter (where is_isbn(canonical)) as sold, count(c.isbn10) as matched,
    coalesce(sum(books_sold), 0)::bigint as books_sold,
    coalesce(sum(books_sold) filter (where c.isbn10 is not null), 0)::bigint as books_matched,
    (array_agg(canonical order by books_sold desc, canonical) filter (where c.isbn10 is null))[1] as unmatched_example
from (
    select canonical, sum(books_sold) as books_sold from hour_sums
    where hour > cast(:newest as timestamptz) - interval '24 hours' and hour <= cast(:newest as timestamptz)
    group by canonical
    order by canonical
) s left join lateral (select isbn10 from catalogue where isbn10 = s.canonical limit 1) c on true
