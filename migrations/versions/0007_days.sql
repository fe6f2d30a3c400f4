-- Sums of each hour by format and language; and who bought on each day, as bitmaps of users' numbers.
-- It can be run again: `bookreport migrate` uses it to restore what somebody dropped.

-- Two tables that say the same of an hour: with one of them gone, or the catalogue that they follow, they are made anew. The
-- hours loaded so far have none: reports add up the sums by ISBN for these.
do $$ begin
    if to_regclass('group_sums') is null or to_regclass('unmatched_sums') is null or not exists (select from catalogue) then
        drop table if exists group_sums, unmatched_sums;
        create table group_sums (
            hour timestamptz not null,
            matched boolean not null,
            format text,
            language text,
            rows bigint not null,
            books_sold bigint not null,
            sale_value numeric not null,
            unique nulls not distinct (hour, matched, format, language)
        );
        alter table group_sums replica identity full;
        create table unmatched_sums (
            hour timestamptz not null,
            canonical text collate "C" not null,
            rows bigint not null,
            books_sold bigint not null,
            sale_value numeric not null,
            primary key (hour, canonical)
        );
    end if;
end $$;
comment on table group_sums is 'The sums of each loaded hour by format and language, as the catalogue is now; what matches no book is one row of its own.';
comment on table unmatched_sums is 'Of the sums of each hour in group_sums, those of ISBNs that are not in the catalogue.';

-- The three belong together: with one of them gone, or the catalogue, all are made anew, and the days are built again.
do $$ begin
    if to_regclass('user_numbers') is null or to_regclass('built_days') is null or to_regclass('day_users') is null
        or not exists (select from catalogue)
    then
        drop table if exists user_numbers, built_days, day_users;
        create table user_numbers (
            user_id text collate "C" primary key,
            number integer not null unique
        );
        create table built_days (
            day timestamptz primary key,
            load_ids bigint[] not null,
            built_at timestamptz not null default clock_timestamp()
        );
        create table day_users (
            day timestamptz not null,
            language text,
            piece integer not null,
            bits bit varying(32768) not null,
            unique nulls not distinct (day, language, piece)
        );
        alter table day_users replica identity full;
    end if;
end $$;
comment on table user_numbers is 'The number of each user who bought on a built day; it is never given to another.';
comment on table built_days is 'The UTC days that are built: day_users has who bought on them. One counts only for the loads that it was built of.';
comment on column built_days.load_ids is 'The loads of the hours that the day had, oldest hour first.';
comment on table day_users is 'Who bought on a day: a bit for each user, 32,768 numbers a piece, in words of 64, the lowest number last in its word.';
comment on column day_users.language is 'In which language, as the catalogue spells it; null: any book at all.';

create or replace view loader_rights as
select name, privilege
from (values
    ('purchase_rows', '{select,insert,delete}'::text[]),
    ('hour_sums', '{select,insert,delete}'),
    ('group_sums', '{select,insert,update,delete}'),
    ('unmatched_sums', '{select,insert,delete}'),
    ('user_numbers', '{select,insert,delete}'),
    ('built_days', '{select,insert,update,delete}'),
    ('day_users', '{select,insert,delete}'),
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
