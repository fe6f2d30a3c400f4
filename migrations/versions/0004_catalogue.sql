-- The catalogue as a table that is kept ready, and sums by canonical ISBN.
-- It can be run again: `bookreport migrate` brings back by it what somebody dropped.

-- The form in which two ISBNs are compared, for one that is not in it yet: blanks and hyphens out, x to X, left-padded with
-- 0 to ten, a 13-digit one that starts with 978 turned into its ISBN-10 with a new check digit. What is no ISBN comes out as
-- it is, so it matches nothing.
create or replace function tidied_isbn(isbn text) returns text language plpgsql immutable strict parallel safe as $$
declare
    code text := translate(isbn, E'x- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014\u2212', 'X');
    total integer := 0;
begin
    if code ~ '^978[0-9]{10}$' then
        for place in 1..9 loop
            total := total + place * substr(code, place + 3, 1)::integer;
        end loop;
        return substr(code, 4, 9) || case total % 11 when 10 then 'X' else (total % 11)::text end;
    end if;
    if code <> '' and length(code) < 10 then
        return lpad(code, 10, '0');
    end if;
    return code;
end $$;

-- Most ISBNs are canonical already: in ten digits or X there is nothing to tidy. This is inlined, and asks no more of them.
-- (It is not strict, since that would keep it from being inlined; it knows tidied_isbn under any search path.)
create or replace function canonical_isbn(isbn text) returns text language sql immutable parallel safe
return case when octet_length(isbn) = 10 and isbn !~ '[^0-9X]' then isbn else tidied_isbn(isbn) end;

-- The digest of a book. Each value seeds the next one's hash, so no two books can swap a value unseen, which they could in
-- Postgres's own hash of a record: that is linear. A null differs from
-- an empty text, and from a price of 0, whose hash is -1.
create or replace function book_digest(isbn10 text, format text, language text, price numeric) returns bigint
language sql immutable parallel safe
return hashtextextended(coalesce(isbn10, E'\x01'), hashtextextended(coalesce(format, E'\x01'),
    hashtextextended(coalesce(language, E'\x01'), coalesce(hash_numeric_extended(price, 0), 0))));

-- `bookreport migrate` puts the real names of the books table here. A body that is text records no dependency, so the
-- table's owner may drop it and write it anew at any time.
do $$ begin
    if to_regprocedure('books_rows()') is null then
        create function books_rows() returns table (isbn10 text, format text, language text, price numeric)
        language sql stable parallel safe as
        'select null::text, null::text, null::text, null::numeric where false';
    end if;
end $$;

create or replace view books as
select isbn10, btrim(format, E' \t\r\n') as format, btrim(language, E' \t\r\n') as language, price from books_rows();
comment on view books is 'The books as their owner keeps them; the function books_rows knows the real table and columns.';

-- Up to revision 0003 the catalogue was a view. The view sales keeps its identity, so its grants and what others built on it
-- stay; who could read the old catalogue can read the new one.
do $$
declare
    readers text;
begin
    if exists (select from pg_class where oid = to_regclass('catalogue') and relkind = 'v') then
        select string_agg(case grantee when 0 then 'public' else grantee::regrole::text end, ', ') into readers
        from pg_class cross join aclexplode(relacl)
        where oid = 'catalogue'::regclass and privilege_type = 'SELECT' and grantee <> relowner;
        create or replace view sales as
        select hour, user_id, isbn10, null::text as format, null::text as language, false as matched,
            quantity, unit_price, sale_value, purchased_at, extra
        from purchases;
        begin
            drop view catalogue;
        exception when dependent_objects_still_exist then
            -- Somebody built on it: what he built goes on as it did, over the old view.
            alter view catalogue rename to catalogue_before_0004;
        end;
    end if;
    -- Canonical ISBNs are codes, not words: compared byte by byte, they are found in half the time.
    create table if not exists catalogue (
        isbn10 text collate "C" primary key,
        format text,
        language text,
        price numeric
    );
    create table if not exists catalogue_state (
        singleton boolean primary key default true check (singleton),
        as_of timestamptz not null,
        books bigint not null,
        digest numeric not null,
        languages text[] not null
    );
    if readers is not null then
        execute 'grant select on catalogue, catalogue_state to ' || readers;
    end if;
end $$;
comment on table catalogue is 'One row for each canonical ISBN of the books, as of catalogue_state.as_of.';
comment on table catalogue_state is 'What the catalogue was made of: when, how many books, the sum of their digests; and its languages.';
-- A catalogue that was dropped is empty now; no books are -1 in number, so the next refresh looks at each of them.
insert into catalogue_state (as_of, books, digest, languages) values (now(), -1, 0, '{}')
on conflict (singleton) do update set as_of = excluded.as_of, books = excluded.books, languages = excluded.languages;

-- As revision 0001 made it, for those who dropped it.
create or replace view purchases as
select hour, user_id, isbn10, coalesce(quantity, 1) as quantity, unit_price,
    coalesce(sale_value, coalesce(quantity, 1) * unit_price) as sale_value, purchased_at, extra
from purchase_rows;
comment on view purchases is 'One row for each loaded record; sale_value is always the effective value.';

create or replace view sales as
select p.hour, p.user_id, p.isbn10, c.format, c.language, c.isbn10 is not null as matched,
    p.quantity, p.unit_price, p.sale_value, p.purchased_at, p.extra
from purchases p left join catalogue c on c.isbn10 = canonical_isbn(p.isbn10);
comment on view sales is 'Purchases with the format and language of their book; unmatched ones included.';

-- The sums have their canonical ISBN with them. As a generated column it is filled by one rewrite of the table, that leaves
-- no dead rows behind; then it becomes a plain one, since PostgreSQL 18 refuses to delete from a published table that has
-- a generated column and whose replica identity is full.
do $$ begin
    if not exists (select from pg_attribute where attrelid = 'hour_sums'::regclass and attname = 'canonical') then
        alter table hour_sums add column canonical text collate "C" not null
            generated always as (canonical_isbn(isbn10)) stored;
        alter table hour_sums alter column canonical drop expression;
    end if;
end $$;
