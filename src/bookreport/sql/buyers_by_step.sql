-- Distinct users of each hour or day (:step) of a span, and how many of them bought a book in a language (any spelling of it).
select starts, count(*) as users, count(*) filter (where bought) as buyers
from (
    select date_bin(cast(:step as interval), p.hour, timestamptz 'epoch') as starts, p.user_id,
        bool_or(spelled.isbn10 is not null) as bought
    from purchase_rows p left join (
        select s.isbn10
        from (
            select distinct isbn10 from hour_sums
            where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
        ) s join catalogue c on c.isbn10 = canonical_isbn(s.isbn10)
        where c.language = any(cast(:spellings as text[]))
    ) spelled on spelled.isbn10 = p.isbn10
    where p.hour >= cast(:since as timestamptz) and p.hour < cast(:until as timestamptz)
    group by starts, p.user_id
) as users
group by starts
