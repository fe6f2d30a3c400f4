-- Locks that only a loader can take; what each role may do; books that are read with the rights of a role of their own.
-- It can be run again: `bookreport migrate` uses it to restore what somebody dropped.

-- Anybody who can connect can take an advisory lock; a row of this table can be locked only by a role that may write it.
create table if not exists locks (name text primary key);
comment on table locks is 'What runs lock: an hour, the catalogue, a template of files. A row is a name; it is locked while a transaction holds it.';

-- Everything that a load needs; `bookreport migrate` grants it to the loader, and `bookreport check` looks for it.
create or replace view loader_rights as
select name, privilege
from (values
    ('purchase_rows', '{select,insert,delete}'::text[]),
    ('hour_sums', '{select,insert,delete}'),
    ('rejects', '{select,insert,delete}'),
    ('ledger', '{select,insert,update,delete}'),
    ('ledger_files', '{select,insert,delete}'),
    ('loads', '{select,insert}'),
    ('source', '{select,insert,update}'),
    ('locks', '{select,insert,update}'),
    ('catalogue', '{select,insert,update,delete}'),
    ('catalogue_state', '{select,update}'),
    ('catalogue_changes', '{select,insert,update,delete}'),
    ('reports_written', '{select,insert,update,delete}'),
    ('alembic_version', '{select}'),
    ('purchases', '{select}'),
    ('sales', '{select}'),
    ('books', '{select}'),
    ('loader_rights', '{select}')
) as needed (name, privileges), unnest(privileges) as privilege;
comment on view loader_rights is 'The privileges on tables and views that a role needs to load.';

-- Creates the month's partition of purchase_rows if it is missing. A table that is attached does not shut readers out, as
-- PARTITION OF would; the lock keeps two runs from making the same month. It runs with the rights of the tables' owner.
create or replace function ensure_month(of_hour timestamptz) returns void language plpgsql as $$
declare
    starts timestamp := date_trunc('month', of_hour at time zone 'UTC');
    month text := 'purchase_rows_' || to_char(starts, 'YYYY_MM');
begin
    if to_regclass(format('%I.%I', current_schema(), month)) is null then
        insert into locks (name) values (month) on conflict do nothing;
        perform from locks where name = month for update;
        -- Not to_regclass again: its cache still says no after the other run, that was waited for, has made the table.
        if not exists (select from pg_class where relname = month and relnamespace = quote_ident(current_schema())::regnamespace) then
            execute format('create table %I (like purchase_rows including all)', month);
            execute format('alter table %I replica identity full', month);
            execute format('alter table purchase_rows attach partition %I for values from (%L) to (%L)', month,
                starts at time zone 'UTC', (starts + interval '1 month') at time zone 'UTC');
        end if;
    end if;
end $$;

-- Summarises the newest pages of an hour's month, so that its rows are found without reading the month. It runs with the
-- rights of the tables' owner.
create or replace function summarise_month(of_hour timestamptz) returns void language sql as $$
    select brin_summarize_new_values(i.indexrelid)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where a.amname = 'brin' and i.indrelid in (to_regclass('hour_sums'),
        to_regclass('purchase_rows_' || to_char(of_hour at time zone 'UTC', 'YYYY_MM')))
$$;

-- The books as their owner keeps them. If the books have a role of their own, these two run with its rights, which are to
-- read the books and nothing else: a view or a policy of their owner's runs his functions with the rights of who reads.
create or replace function read_books() returns table (isbn10 text, format text, language text, price numeric)
language sql stable parallel safe
begin atomic
    select b.isbn10, b.format, b.language, b.price from books_rows() b;
end;

-- How many books there are, and the sum of their digests: whether any of them changed.
create or replace function books_state() returns table (books bigint, digest numeric) language sql stable parallel safe
begin atomic
    select count(*), coalesce(sum(book_digest(b.isbn10, b.format, b.language, b.price)), 0) from books_rows() b;
end;

create or replace view books as
select isbn10, btrim(format, E' \t\r\n') as format, btrim(language, E' \t\r\n') as language, price from read_books();

-- Its names are looked up while it runs, beside the functions of the books' owner, who may have changed the search path.
alter function tidied_isbn(text) set search_path = pg_catalog, pg_temp;

-- The bucket's endpoint, and errors about it, without the user and password that some wrote into its URL: analysts may read them.
update source set endpoint = regexp_replace(endpoint, '://[^/?#]*@', '://') where endpoint ~ '://[^/?#]*@';
update ledger set last_error = regexp_replace(last_error, '://[^/?#[:space:]]*@', '://', 'g')
where last_error ~ '://[^/?#[:space:]]*@';
update loads set error = regexp_replace(error, '://[^/?#[:space:]]*@', '://', 'g') where error ~ '://[^/?#[:space:]]*@';
