-- Deletes users who bought on no day that is kept. All users are read once and hashed; each meets one piece of the bitmaps.
with kept as materialized (
    select piece, bit_or(bits) as bits from day_users where language is null group by piece
)
delete from user_numbers u where not exists (
    select from kept k where k.piece = u.number >> 15 and get_bit(k.bits, u.number & 32704 | 63 - (u.number & 63)) = 1
)
