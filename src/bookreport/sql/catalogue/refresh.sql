-- Updates the catalogue from the books that were listed, and returns what that changed. It reads each book and each row of the
-- catalogue once, sorts the books, and joins the two by hashing.
with known as (
    select canonical_isbn(isbn10) collate "C" as isbn10, btrim(format, E' \t\r\n') as format,
        btrim(language, E' \t\r\n') as language, price
    -- No purchase can have a longer ISBN.
    from listed where octet_length(isbn10) <= 100
), wanted as materialized (
    -- If an ISBN has several rows, the one with the smallest (format, language) counts.
    select distinct on (isbn10) isbn10, format, language, price
    from known
    where is_isbn(isbn10)
    order by isbn10, format collate "C", language collate "C", price
), removed as (
    delete from catalogue c where not exists (select from wanted w where w.isbn10 = c.isbn10)
    returning c.isbn10, c.format, c.language
), differing as materialized (
    select w.isbn10, w.format, w.language, w.price, c.isbn10 is null as is_new,
        c.format as old_format, c.language as old_language,
        c.isbn10 is null or (c.format, c.language) is distinct from (w.format, w.language) as is_regrouped
    from wanted w left join catalogue c on c.isbn10 = w.isbn10
    where c.isbn10 is null or (c.format, c.language, c.price) is distinct from (w.format, w.language, w.price)
), written as (
    insert into catalogue (isbn10, format, language, price)
    select isbn10, format, language, price from differing order by isbn10
    on conflict (isbn10) do update
    set format = excluded.format, language = excluded.language, price = excluded.price
), moved as (
    insert into regrouped (isbn10, was_matched, old_format, old_language, is_matched, format, language)
    select isbn10, not is_new, old_format, old_language, true, format, language from differing where is_regrouped
    union all
    select isbn10, true, format, language, false, null, null from removed
), moment as materialized (
    -- Always later than the previous one, whatever the clock does, since files are compared with it.
    select greatest(statement_timestamp(), as_of + interval '1 microsecond') as as_of,
        exists (select from catalogue) and exists (select from reports_written) as keeps_changes
    from catalogue_state
), noted as (
    -- What moves sales to another row of an hour's report, if there are files of hours.
    insert into catalogue_changes (isbn10, changed_at)
    select c.isbn10, m.as_of
    from (select isbn10 from differing where is_regrouped union all select isbn10 from removed) c cross join moment m
    where m.keeps_changes
    on conflict (isbn10) do update set changed_at = excluded.changed_at
), remembered as (
    update catalogue_state s
    set as_of = m.as_of, changes_since = case when m.keeps_changes then s.changes_since else m.as_of end,
        books = b.books, digest = b.digest,
        languages = array(select distinct language from wanted where language is not null)
    from moment m cross join (
        select count(*) as books, coalesce(sum(book_digest(isbn10, format, language, price)), 0) as digest from listed
    ) b
    returning s.as_of
)
select as_of, (select count(*) from differing where is_new) as added,
    (select count(*) from differing where not is_new) as changed, (select count(*) from removed) as removed
from remembered
