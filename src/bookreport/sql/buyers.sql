-- Distinct users who bought a book in a language (in any of its spellings) within a span.
select count(*) as buyers
from (
    select distinct p.user_id
    from purchase_rows p
    where p.hour >= cast(:since as timestamptz) and p.hour < cast(:until as timestamptz)
        and p.isbn10 in (
            select s.isbn10
            from (
                select distinct isbn10 from hour_sums
                where hour >= cast(:since as timestamptz) and hour < cast(:until as timestamptz)
            ) s join catalogue c on c.isbn10 = canonical_isbn(s.isbn10)
            where c.language = any(cast(:spellings as text[]))
        )
) as buyers
