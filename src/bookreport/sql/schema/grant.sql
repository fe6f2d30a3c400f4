-- Gives each role what its duty needs and nothing else, as `bookreport roles` recorded it; run by the owner after each change.
do $$
declare
    here name := current_schema();
    duties json := (select description from pg_description
        where objoid = quote_ident(current_schema())::regnamespace and classoid = 'pg_namespace'::regclass and description ^@ '{"loader"');
    loader name := duties ->> 'loader';
    reader name := duties ->> 'reader';
    books name := duties ->> 'books';
    each record;
begin
    -- A function that runs with the rights of its owner must find its own names first, whoever calls it.
    for each in select unnest('{ensure_month(timestamptz),summarise_month(timestamptz)}'::text[]) as name loop
        execute format('alter function %s security definer set search_path = %I, pg_temp', each.name, here);
        execute format('revoke all on function %s from public', each.name);
    end loop;

    if duties is null then
        return;
    end if;
    -- Also from those who had a duty before, and from whoever was granted something by hand.
    for each in
        select distinct coalesce(quote_ident(rolname), 'public') as name
        from (
            select relacl as acl, relowner as of_owner from pg_class where relnamespace = quote_ident(here)::regnamespace
            union all
            select nspacl, nspowner from pg_namespace where nspname = here
            union all
            select defaclacl, defaclrole from pg_default_acl where defaclnamespace = quote_ident(here)::regnamespace
        ) as granted cross join aclexplode(acl) left join pg_roles on oid = grantee
        where grantee <> of_owner
    loop
        execute format('revoke all on schema %I from %s', here, each.name);
        execute format('revoke all on all tables in schema %I from %s', here, each.name);
        execute format('revoke execute on function ensure_month(timestamptz), summarise_month(timestamptz) from %s', each.name);
        execute format('alter default privileges in schema %I revoke all on tables from %s', here, each.name);
    end loop;

    execute format('grant usage on schema %I to %I', here, loader);
    for each in select name, string_agg(privilege, ', ') as privileges from loader_rights group by name loop
        execute format('grant %s on %I to %I', each.privileges, each.name, loader);
    end loop;
    execute format('grant execute on function ensure_month(timestamptz), summarise_month(timestamptz) to %I', loader);
    -- To vacuum what a reload left behind; older servers leave that to autovacuum.
    if current_setting('server_version_num')::integer >= 170000 then
        execute format('grant maintain on all tables in schema %I to %I', here, loader);
        execute format('alter default privileges in schema %I grant maintain on tables to %I', here, loader);
    end if;

    execute format('grant usage on schema %I to %I', here, reader);
    execute format('grant select on purchases, sales, purchase_rows, hour_sums, group_sums, unmatched_sums,'
        ' user_numbers, built_days, day_users, ledger, ledger_files, loads, catalogue, catalogue_state, alembic_version to %I', reader);
    -- Not the text of rejects, nor where the bucket is.
    execute format('grant select (hour, key, line_number, reason) on rejects to %I', reader);
    execute format('grant select (looked_through_at, oldest_open) on source to %I', reader);

    -- Postgres lets nobody own a function who could not have created it.
    execute format('grant create on schema %I to %I', here, books);
    for each in select unnest('{read_books(),books_state()}'::text[]) as name loop
        execute format('alter function %s owner to %I', each.name, books);
        execute format('alter function %s security definer set search_path = %I, pg_temp', each.name, here);
    end loop;
    execute format('revoke create on schema %I from %I', here, books);
end $$
