-- Stores who bought on a day: by language, and at all. All users are read once and hashed; no bit is touched twice, as it would
-- be in a bitmap that grows by one user after the other.
with numbered as materialized (
    select b.language, u.number from bought b join user_numbers u on u.user_id = b.user_id
), words as materialized (
    select false as is_any, language, number >> 6 as word, bit_or(1::bigint << (number & 63)) as bits
    from numbered
    where language is not null
    group by language, word
    union all
    select true, '', number >> 6 as word, bit_or(1::bigint << (number & 63))
    from numbered
    group by word
), all_words as (
    select is_any, language, (piece << 9) + place as word
    from (select distinct is_any, language, word >> 9 as piece from words) as pieces, generate_series(0, 511) as place
)
insert into day_users (day, language, piece, bits)
select cast(:day as timestamptz), case when not a.is_any then a.language end, a.word >> 9 as piece,
    cast('x' || encode(string_agg(int8send(coalesce(w.bits, 0)), '' order by a.word), 'hex') as bit varying)
from all_words a left join words w on w.is_any = a.is_any and w.language = a.language and w.word = a.word
group by a.is_any, a.language, piece
