-- The languages (null: any) in which others bought on a built day than its bitmaps have; with how many did, for how many of them
-- the bit is set, and how many bits are set.
-- Each ISBN of the day is one lookup in the catalogue's index, in its order (`limit` leaves no other plan); the day's rows, the
-- users' numbers and the bitmaps are read once and hashed.
with languages as materialized (
    select s.isbn10, c.language
    from (
        select distinct isbn10, canonical from hour_sums
        where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        order by canonical
    ) s cross join lateral (select language from catalogue where isbn10 = s.canonical limit 1) c
    where c.language is not null
), bought as materialized (
    select p.user_id collate "C" as user_id, l.language
    from purchase_rows p left join languages l on l.isbn10 = p.isbn10
    where p.hour >= cast(:since as timestamptz) and p.hour < cast(:until as timestamptz)
        and p.hour in (select hour from ledger where status = 'loaded')
    group by p.user_id collate "C", l.language
), keyed as materialized (
    select false as is_any, language, user_id from bought where language is not null
    union all
    select true, '', user_id from (select distinct user_id from bought) as anybody
), stored as materialized (
    select language is null as is_any, coalesce(language, '') as language, piece, bits from day_users
    where day = cast(:since as timestamptz)
)
select case when not is_any then language end as language, sum(users)::bigint as users, sum(found)::bigint as found,
    sum(bits)::bigint as bits
from (
    select k.is_any, k.language, count(*) as users,
        count(*) filter (where get_bit(s.bits, u.number & 32704 | 63 - (u.number & 63)) = 1) as found, 0 as bits
    from keyed k
    left join user_numbers u on u.user_id = k.user_id
    left join stored s on s.is_any = k.is_any and s.language = k.language and s.piece = u.number >> 15
    group by k.is_any, k.language
    union all
    select is_any, language, 0, 0, bit_count(bits) from stored
) as each
group by is_any, language
having sum(users) <> sum(found) or sum(users) <> sum(bits)
order by is_any desc, language
