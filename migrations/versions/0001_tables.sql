-- Tables of the purchases and of what is known about each hour.

-- The hour that this transaction loads, for the default of purchase_rows.hour.
-- It is declared immutable so that COPY computes it once for a file and not once for a row (a fifth of the load's time);
-- COPY and a plain INSERT are planned anew each time, so the answer is never an older transaction's.
create function loading_hour() returns timestamptz language sql immutable as
$$ select current_setting('bookreport.hour')::timestamptz $$;

create table purchase_rows (
    hour timestamptz not null default loading_hour(),
    quantity integer,
    user_id text not null,
    isbn10 text not null,
    unit_price numeric,
    sale_value numeric,
    purchased_at text,
    extra jsonb,
    -- ascii() looks at the first character alone; most rows need no more.
    constraint purchase_is_whole check (
        (ascii(user_id) > 32 or btrim(user_id, E' \t\r\n') <> '') and octet_length(user_id) <= 1000
        and (ascii(isbn10) > 32 or btrim(isbn10, E' \t\r\n') <> '') and octet_length(isbn10) <= 100
        and quantity between 1 and 1000000
        and unit_price >= 0 and unit_price < 1000000000000
        and sale_value >= 0 and sale_value < 1000000000000
        and coalesce(sale_value, unit_price) is not null
    )
) partition by range (hour);
comment on table purchase_rows is 'What was loaded, partitioned by month; read it through the view purchases.';
create index purchase_rows_hour on purchase_rows using brin (hour);

create view purchases as
select hour, user_id, isbn10, coalesce(quantity, 1) as quantity, unit_price,
    coalesce(sale_value, coalesce(quantity, 1) * unit_price) as sale_value, purchased_at, extra
from purchase_rows;
comment on view purchases is 'One row for each loaded record; sale_value is always the effective value.';

-- Makes the month's partition of purchase_rows unless it is there. A table of its own that is attached does not shut
-- readers out, as PARTITION OF would; the lock keeps two runs from making the same month.
create function ensure_month(of_hour timestamptz) returns void language plpgsql as $$
declare
    starts timestamp := date_trunc('month', of_hour at time zone 'UTC');
    month text := 'purchase_rows_' || to_char(starts, 'YYYY_MM');
begin
    if to_regclass(format('%I.%I', current_schema(), month)) is null then
        perform pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || month, 0));
        -- Not to_regclass again: its cache still says no after the other run, that was waited for, has made the table.
        if not exists (select from pg_class where relname = month and relnamespace = quote_ident(current_schema())::regnamespace) then
            execute format('create table %I (like purchase_rows including all)', month);
            execute format('alter table %I replica identity full', month);
            execute format('alter table purchase_rows attach partition %I for values from (%L) to (%L)', month,
                starts at time zone 'UTC', (starts + interval '1 month') at time zone 'UTC');
        end if;
    end if;
end $$;

create table hour_sums (
    hour timestamptz not null,
    isbn10 text not null,
    rows bigint not null,
    books_sold bigint not null,
    sale_value numeric not null
);
comment on table hour_sums is 'The sums of each loaded hour by ISBN as written, made by the load; what reports add up.';
create index hour_sums_hour on hour_sums using brin (hour);
alter table hour_sums replica identity full;

create table loads (
    load_id bigint generated always as identity primary key,
    run_id uuid not null,
    hour timestamptz not null,
    outcome text not null check (outcome in ('loaded', 'reloaded', 'failed')),
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    seconds jsonb not null default '{}',
    files integer,
    bytes bigint,
    rows_loaded bigint,
    rows_rejected bigint,
    books_sold_before bigint,
    books_sold bigint,
    sale_value_before numeric,
    sale_value numeric,
    error text,
    version text not null
);
comment on table loads is 'Every attempt to load an hour, with how it ended; only ever added to.';
create index loads_hour on loads (hour);
create index loads_run_id on loads (run_id);

create table ledger (
    hour timestamptz primary key,
    status text not null check (status in ('loaded', 'failed', 'skipped')),
    last_error text,
    attempts integer not null default 0,
    files integer not null default 0,
    bytes bigint not null default 0,
    rows_loaded bigint not null default 0,
    rows_rejected bigint not null default 0,
    rows_unmatched bigint not null default 0,
    fingerprint text,
    marker_at timestamptz,
    loaded_at timestamptz,
    load_id bigint references loads
);
comment on table ledger is 'The state of each hour, for ever; an hour that is not here was never tried.';
create index ledger_failed on ledger (hour) where status = 'failed';

create table ledger_files (
    hour timestamptz not null references ledger,
    key text not null,
    etag text not null,
    size bigint not null,
    last_modified timestamptz not null,
    columns jsonb not null,
    rows_loaded bigint not null,
    rows_rejected bigint not null,
    primary key (hour, key)
);
comment on table ledger_files is 'The files of each hour as they were loaded; columns tells how the header was read.';

create table rejects (
    hour timestamptz not null default loading_hour(),
    key text not null,
    line_number bigint not null,
    reason text not null,
    raw text not null
);
comment on table rejects is 'Records that were set aside: of the hour as loaded, or the first of the attempt that failed.';
create index rejects_hour on rejects (hour, key, line_number);
alter table rejects replica identity full;

create table source (
    singleton boolean primary key default true check (singleton),
    endpoint text not null,
    bucket text not null,
    prefix text not null
);
comment on table source is 'The bucket that the ledger speaks of; a run against another one stops.';
