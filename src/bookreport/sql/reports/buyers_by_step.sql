-- Distinct users of each step of a span (numbered from 1; :starts are their first hours, ascending, from :since on), and how
-- many of them bought a book in a language (any spelling of it).
-- Each ISBN of the span is one lookup in the catalogue's index, in its order (`limit` leaves no other plan); then the
-- span's rows are read once and hashed, against the ISBNs and to make the users of each step distinct.
-- Rows of hours that the ledger does not have as loaded don't count; if all hours of the span are loaded, no row is checked.
with loaded as (
    select hour from ledger
    where status = 'loaded' and hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
), whole as (
    select count(*) * interval '1 hour' = cast(:until as timestamptz) - cast(:since as timestamptz) as is_whole from loaded
), spelled as materialized (
    select s.isbn10
    from (
        select distinct isbn10, canonical from hour_sums
        where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        order by canonical
    ) s cross join lateral (select language from catalogue where isbn10 = s.canonical limit 1) c
    where c.language = any(cast(:spellings as text[]))
)
select step, count(*) as users, count(*) filter (where bought) as buyers
from (
    select width_bucket(p.hour, cast(:starts as timestamptz[])) as step, p.user_id,
        bool_or(s.isbn10 is not null) as bought
    from purchase_rows p left join spelled s on s.isbn10 = p.isbn10
    where p.hour >= cast(:since as timestamptz) and p.hour < cast(:until as timestamptz)
        and ((select is_whole from whole) or p.hour in (select hour from loaded))
    group by step, p.user_id
) as users
group by step
