-- The transaction's temporary table of who bought on a day in which language (null: none), each once.
-- Each ISBN of the day is one lookup in the catalogue's index, in its order (`limit` leaves no other plan); then the day's rows
-- are read once and hashed, against the ISBNs and to make the users distinct.
create temporary table bought on commit drop as
with languages as materialized (
    select s.isbn10, c.language
    from (
        select distinct isbn10, canonical from hour_sums
        where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        order by canonical
    ) s cross join lateral (select language from catalogue where isbn10 = s.canonical limit 1) c
    where c.language is not null
)
select p.user_id collate "C" as user_id, l.language collate "C" as language
from purchase_rows p left join languages l on l.isbn10 = p.isbn10
where p.hour >= cast(:since as timestamptz) and p.hour < cast(:until as timestamptz)
    and p.hour in (select hour from ledger where status = 'loaded')
group by p.user_id collate "C", l.language
