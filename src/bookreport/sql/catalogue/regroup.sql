-- Moves what was sold under regrouped ISBNs from one group of its hour to another; hours without groups stay without. Days on
-- which it was sold are to be built again if its language is another.
-- An ISBN that is new was unmatched; for the others, the sums by ISBN are read once, and not at all if there are none.
with moved as materialized (
    select u.hour, r.*, u.rows, u.books_sold, u.sale_value
    from unmatched_sums u join regrouped r on r.isbn10 = u.canonical
    where not r.was_matched
    union all
    select s.hour, r.*, s.rows, s.books_sold, s.sale_value
    from hour_sums s join regrouped r on r.isbn10 = s.canonical
    where r.was_matched and (select bool_or(was_matched) from regrouped) and s.hour in (select hour from group_sums)
), matched_now as (
    delete from unmatched_sums u using moved m where u.hour = m.hour and u.canonical = m.isbn10 and not m.was_matched
), unmatched_now as (
    insert into unmatched_sums (hour, canonical, rows, books_sold, sale_value)
    select hour, isbn10, sum(rows), sum(books_sold), sum(sale_value) from moved where not is_matched group by hour, isbn10
), stale as (
    -- Who bought in a language is no longer so.
    delete from built_days d using (
        select distinct date_trunc('day', hour, 'UTC') as day from moved where old_language is distinct from language
    ) as sold
    where d.day = sold.day
)
insert into group_sums (hour, matched, format, language, rows, books_sold, sale_value)
select hour, matched, format, language, sum(rows), sum(books_sold), sum(sale_value)
from (
    select hour, was_matched as matched, old_format as format, old_language as language,
        -rows as rows, -books_sold as books_sold, -sale_value as sale_value
    from moved
    union all
    select hour, is_matched, format, language, rows, books_sold, sale_value from moved
) as each
group by hour, matched, format, language
on conflict (hour, matched, format, language) do update set rows = group_sums.rows + excluded.rows,
    books_sold = group_sums.books_sold + excluded.books_sold, sale_value = group_sums.sale_value + excluded.sale_value
