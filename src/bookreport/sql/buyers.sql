-- Distinct users who bought a book in a language (in any of its spellings) within a span.
-- Each ISBN of the span is one look into the catalogue's index, in its order (`limit` leaves no other plan); then the
-- span's rows are read once and hashed, against the ISBNs and to make the users distinct.
with spelled as materialized (
    select s.isbn10
    from (
        select distinct isbn10, canonical from hour_sums
        where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        order by canonical
    ) s cross join lateral (select language from catalogue where isbn10 = s.canonical limit 1) c
    where c.language = any(cast(:spellings as text[]))
)
select count(*) as buyers
from (
    select distinct user_id from purchase_rows
    where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        and isbn10 in (select isbn10 from spelled)
) as buyers
