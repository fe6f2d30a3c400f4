-- Distinct users of each step, and how many of them bought a book in a language (any spelling of it): of days that are built
-- (:steps, :days), and counted from the rows of other hours (:hours, :hour_steps), which are runs (:since, :until).
-- The bitmaps of a step are put together piece by piece. Its other users are counted beside them, if their bit is not set or
-- they have no number yet. If they are few, each is one lookup in the index of user_numbers (`limit` leaves no other plan);
-- if not, all numbers are read and hashed.
-- Each ISBN of the runs is one lookup in the catalogue's index; their rows are read once, and hashed.
with built as materialized (
    select step, day from unnest(cast(:steps as integer[]), cast(:days as timestamptz[])) as b (step, day)
), runs as materialized (
    select since, until from unnest(cast(:since as timestamptz[]), cast(:until as timestamptz[])) as r (since, until)
), counted as materialized (
    select hour, step from unnest(cast(:hours as timestamptz[]), cast(:hour_steps as integer[])) as c (hour, step)
), spelled as materialized (
    select s.isbn10
    from (
        select distinct h.isbn10, h.canonical
        from runs r cross join lateral (
            select isbn10, canonical from hour_sums where hour >= r.since and hour < r.until
        ) h
        order by canonical
    ) s cross join lateral (select language from catalogue where isbn10 = s.canonical limit 1) c
    where c.language = any(cast(:spellings as text[]))
), others as materialized (
    select c.step, p.user_id, bool_or(s.isbn10 is not null) as bought
    from runs r cross join lateral (
        select hour, user_id, isbn10 from purchase_rows where hour >= r.since and hour < r.until
    ) p
    join counted c on c.hour = p.hour
    left join spelled s on s.isbn10 = p.isbn10
    group by c.step, p.user_id
), few as materialized (
    select 8 * (select count(*) from others) < coalesce((select max(number) from user_numbers), 0) as are_few
), numbers as materialized (
    select o.step, o.bought, u.number
    from (select step, user_id collate "C" as user_id, bought from others order by user_id collate "C") o left join lateral (
        select number from user_numbers where user_id = o.user_id limit 1
    ) u on true
    where (select are_few from few)
    union all
    select o.step, o.bought, u.number
    from others o left join user_numbers u on u.user_id = o.user_id collate "C"
    where not (select are_few from few)
), numbered as materialized (
    select step, bought, number >> 15 as piece, number & 32704 | 63 - (number & 63) as place from numbers
), pieces as materialized (
    select b.step, u.language is null as is_any, u.piece, bit_or(u.bits) as bits
    from built b join day_users u on u.day = b.day
    where u.language is null or u.language = any(cast(:spellings as text[]))
    group by b.step, is_any, u.piece
)
select step, sum(users)::bigint as users, sum(buyers)::bigint as buyers
from (
    select step, case when is_any then bit_count(bits) else 0 end as users,
        case when is_any then 0 else bit_count(bits) end as buyers
    from pieces
    union all
    select n.step, count(*) filter (where a.piece is null or get_bit(a.bits, n.place) = 0),
        count(*) filter (where n.bought and (b.piece is null or get_bit(b.bits, n.place) = 0))
    from numbered n
    left join pieces a on a.step = n.step and a.piece = n.piece and a.is_any
    left join pieces b on b.step = n.step and b.piece = n.piece and not b.is_any
    group by n.step
) as each
group by step
