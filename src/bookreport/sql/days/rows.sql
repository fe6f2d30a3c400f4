-- Distinct users of each step (:since, :until), and how many of them bought a book in a language (any spelling of it), counted
-- from the rows of the span that the steps make up; they ascend, and don't overlap.
-- Each ISBN of the span is one lookup in the catalogue's index, in its order (`limit` leaves no other plan); then the
-- span's rows are read once and hashed, against the ISBNs and to make the users of each step distinct.
-- Rows of hours that the ledger does not have as loaded don't count.
with loaded as materialized (
    select hour, width_bucket(hour, cast(:since as timestamptz[])) as step from ledger
    where status = 'loaded' and hour >= (cast(:since as timestamptz[]))[1]
        and hour < (cast(:until as timestamptz[]))[cardinality(cast(:until as timestamptz[]))]
), counted as materialized (
    select hour, step from loaded where hour < (cast(:until as timestamptz[]))[step]
), spelled as materialized (
    select s.isbn10
    from (
        select distinct isbn10, canonical from hour_sums
        where hour >= (cast(:since as timestamptz[]))[1]
            and hour < (cast(:until as timestamptz[]))[cardinality(cast(:until as timestamptz[]))]
        order by canonical
    ) s cross join lateral (select language from catalogue where isbn10 = s.canonical limit 1) c
    where c.language = any(cast(:spellings as text[]))
)
select step, count(*) as users, count(*) filter (where bought) as buyers
from (
    select c.step, p.user_id, bool_or(s.isbn10 is not null) as bought
    from purchase_rows p join counted c on c.hour = p.hour left join spelled s on s.isbn10 = p.isbn10
    where p.hour >= (cast(:since as timestamptz[]))[1]
        and p.hour < (cast(:until as timestamptz[]))[cardinality(cast(:until as timestamptz[]))]
    group by c.step, p.user_id
) as users
group by step
