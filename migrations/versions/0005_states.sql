-- Only an ISBN matches a book: placeholders such as '-' or 'N/A' occur in catalogues and in purchases alike.
-- It can be run again: `bookreport migrate` uses it to restore what somebody dropped.

-- The form in which two ISBNs are compared, for one that is not in it yet: blanks and hyphens removed, x to X, a short number
-- left-padded with 0 to ten, a 13-digit one that starts with 978 converted to its ISBN-10 with a new check digit. Anything that
-- is no ISBN by then stays as written, so that it is counted as such.
create or replace function tidied_isbn(isbn text) returns text language plpgsql immutable strict parallel safe as $$
declare
    code text collate "C" := translate(isbn, E'x- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014\u2212', 'X');
    total integer := 0;
begin
    if code ~ '^978[0-9]{10}$' then
        for place in 1..9 loop
            total := total + place * substr(code, place + 3, 1)::integer;
        end loop;
        code := substr(code, 4, 9) || case total % 11 when 10 then 'X' else (total % 11)::text end;
    elsif code ~ '^[0-9]{1,9}$|^[0-9]{1,8}X$' then
        code := lpad(code, 10, '0');
    end if;
    return case when code ~ '^[0-9A-Z]{10}$' and code !~ '^(.)\1*$' then code else isbn end;
end $$;

-- Whether a canonical ISBN is one, and can match a book: ten digits or capital letters (an ISBN-10, or the shop's own code,
-- such as an ASIN), but not the same one ten times.
create or replace function is_isbn(canonical text) returns boolean language sql immutable parallel safe
return canonical collate "C" ~ '^[0-9A-Z]{10}$' and canonical <> repeat(left(canonical, 1), 10);

-- What the previous rule stored. No catalogue has -1 books, so the next refresh looks at each of them.
update hour_sums set canonical = canonical_isbn(isbn10) where canonical <> canonical_isbn(isbn10);
update catalogue_state set books = -1 where exists (select from catalogue where not is_isbn(isbn10));
-- The files of `run-hour -o 'reports/{hour}.json'`: which load and which catalogue each was made from, and what changed since.
do $$ begin
    if to_regclass('catalogue_changes') is null then
        create table catalogue_changes (
            isbn10 text collate "C" primary key,
            changed_at timestamptz not null
        );
        -- Without the changes, nothing is known about the files: all are written again.
        drop table if exists reports_written;
    end if;
end $$;
create table if not exists reports_written (
    host text not null,
    path text not null,
    hour timestamptz not null,
    format text not null,
    language text not null,
    file_time bigint not null,
    load_id bigint not null,
    catalogue_as_of timestamptz not null,
    languages text[],
    primary key (host, path, hour)
);
alter table catalogue_state add column if not exists changes_since timestamptz not null default '-infinity';
comment on table catalogue_changes is 'When a canonical ISBN last came, went, or changed its format or language; kept for the files that are older.';
comment on table reports_written is 'Of which load and which catalogue the file of an hour is; path has {hour} in its name.';
comment on column reports_written.file_time is 'When the file was last written by its disk''s clock, in nanoseconds: so another file is told from it.';
comment on column reports_written.languages is 'The languages of the catalogue where none of them was the one asked for; the file tells so.';
comment on column catalogue_state.changes_since is 'Since when catalogue_changes has every change.';

-- Whether the whole bucket was searched, and from which hour on a missing hour is a gap.
-- After an upgrade it was not: the first run searches the whole bucket once.
alter table source
    add column if not exists looked_through_at timestamptz,
    add column if not exists oldest_open timestamptz;
comment on column source.looked_through_at is 'When a run had looked through the whole bucket; null: the next run does.';
comment on column source.oldest_open is 'The oldest hour that was without its marker then; null where each had one.';
