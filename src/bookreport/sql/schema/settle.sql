-- Gives each role what its duty needs and nothing else, as the table roles says; run by the owner after each change of tables.
do $$
declare
    here name := current_schema();
    owner name;
    loader name := (select role_name from roles where duty = 'loader');
    reader name := (select role_name from roles where duty = 'reader');
    books name := (select role_name from roles where duty = 'books');
    each record;
begin
    if to_regprocedure('summarise_month(timestamptz)') is null then
        -- `bookreport migrate` comes later, and settles the rest.
        return;
    end if;
    -- A function that runs with the rights of its owner must find its own names first, whoever calls it.
    for each in select unnest('{ensure_month(timestamptz),summarise_month(timestamptz)}'::text[]) as name loop
        execute format('alter function %s security definer set search_path = %I, pg_temp', each.name, here);
        execute format('revoke all on function %s from public', each.name);
    end loop;

    for each in select role_name as name from roles loop
        execute format('revoke all on schema %I from %I', here, each.name);
        execute format('revoke all on all tables in schema %I from %I', here, each.name);
        execute format('revoke all on all functions in schema %I from %I', here, each.name);
    end loop;

    if loader is not null then
        execute format('grant usage on schema %I to %I', here, loader);
        for each in select name, string_agg(privilege, ', ') as privileges from loader_rights group by name loop
            execute format('grant %s on %I to %I', each.privileges, each.name, loader);
        end loop;
        execute format('grant execute on function ensure_month(timestamptz), summarise_month(timestamptz) to %I', loader);
        -- To vacuum what a reload left behind; older servers leave that to autovacuum.
        if current_setting('server_version_num')::integer >= 170000 then
            select rolname into owner from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = 'purchase_rows'::regclass;
            execute format('grant maintain on all tables in schema %I to %I', here, loader);
            execute format('alter default privileges for role %I in schema %I grant maintain on tables to %I', owner, here, loader);
        end if;
    end if;

    if reader is not null then
        execute format('grant usage on schema %I to %I', here, reader);
        execute format('grant select on purchases, sales, books, purchase_rows, hour_sums, ledger, ledger_files, loads,'
            ' catalogue, catalogue_state, alembic_version to %I', reader);
        -- Not the text of rejects, nor where the bucket is.
        execute format('grant select (hour, key, line_number, reason) on rejects to %I', reader);
        execute format('grant select (looked_through_at, oldest_open) on source to %I', reader);
    end if;

    if books is not null then
        -- Postgres lets nobody own a function who could not have created it.
        execute format('grant create on schema %I to %I', here, books);
        for each in select unnest('{read_books(),books_state()}'::text[]) as name loop
            execute format('alter function %s owner to %I', each.name, books);
            execute format('alter function %s security definer set search_path = %I, pg_temp', each.name, here);
        end loop;
        execute format('revoke create on schema %I from %I', here, books);
    end if;
end $$
