-- Makes one role the owner of bookreport's schema, and records what the others are for; run by a superuser.
do $$
declare
    here name := current_setting('bookreport.schema');
    owner name := current_setting('bookreport.owner');
    loader name := current_setting('bookreport.loader');
    reader name := current_setting('bookreport.reader');
    books name := current_setting('bookreport.books');
    -- If it was not named: the one that `bookreport migrate` found, once it has run.
    books_table text := coalesce(nullif(current_setting('bookreport.books_table'), ''),
        obj_description(to_regprocedure(format('%I.books_rows()', here)), 'pg_proc'), 'public.books');
    each record;
begin
    for each in select unnest(array[owner, loader, reader]) as name loop
        if not exists (select from pg_roles where rolname = each.name) then
            raise exception 'there is no role %', each.name using hint = 'create it first, for example: create role loader login';
        end if;
    end loop;
    if not exists (select from pg_roles where rolname = books) then
        execute format('create role %I nologin', books);
    end if;
    for each in select rolname as name from pg_roles where rolname in (loader, reader, books) loop
        if pg_has_role(each.name, owner, 'member') then
            raise exception '% is a superuser or a member of %: it could do whatever the owner can', each.name, owner;
        end if;
    end loop;
    -- So that `bookreport migrate`, run by the owner, can replace the two functions that read the books.
    execute format('grant %I to %I', books, owner);

    execute format('create schema if not exists %I authorization %I', here, owner);
    execute format('alter schema %I owner to %I', here, owner);
    execute format('revoke all on schema %I from public', here);
    execute format('set local search_path = %I', here);
    create table if not exists roles (
        duty text primary key check (duty in ('loader', 'reader', 'books')),
        role_name name not null
    );
    -- Who had a duty until now, and may not have one any more, loses what it brought.
    for each in select role_name as name from roles join pg_roles on rolname = role_name loop
        execute format('revoke all on schema %I from %I', here, each.name);
        execute format('revoke all on all tables in schema %I from %I', here, each.name);
        execute format('revoke all on all functions in schema %I from %I', here, each.name);
        execute format('alter default privileges for role %I in schema %I revoke all on tables from %I', owner, here, each.name);
    end loop;
    insert into roles (duty, role_name) values ('loader', loader), ('reader', reader), ('books', books)
    on conflict (duty) do update set role_name = excluded.role_name;
    for each in
        select format('alter table %s owner to %I', oid::regclass, owner) as change
        from pg_class
        where relnamespace = quote_ident(here)::regnamespace and relkind in ('r', 'p', 'v')
        union all
        select format('alter function %s owner to %I', oid::regprocedure, owner)
        from pg_proc
        where pronamespace = quote_ident(here)::regnamespace
    loop
        execute each.change;
    end loop;

    execute format('grant connect on database %I to %I, %I, %I', current_database(), owner, loader, reader);
    execute format('grant temporary on database %I to %I, %I', current_database(), owner, loader);

    if to_regclass(books_table) is null then
        raise warning 'there is no table % yet: run this again once it is there', books_table;
    else
        -- By default privileges too, so that the grant survives a table that is dropped and created anew.
        select n.nspname as schema, c.relowner::regrole as owner into each
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = to_regclass(books_table);
        execute format('grant usage on schema %I to %I', each.schema, books);
        execute format('grant select on %s to %I', to_regclass(books_table), books);
        execute format('alter default privileges for role %s in schema %I grant select on tables to %I', each.owner, each.schema, books);
    end if;
end $$
