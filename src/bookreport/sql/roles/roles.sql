-- Makes one role the owner of bookreport's schema, and records what the others are for. Run by a superuser, it changes only
-- Postgres's own catalogs: it reads and writes no table, and calls no function, of anybody else.
-- Reads its names from settings, which the lines before it in what `bookreport roles` prints make.
do $$
declare
    here name := current_setting('bookreport.schema');
    owner name := current_setting('bookreport.owner');
    loader name := current_setting('bookreport.loader');
    reader name := current_setting('bookreport.reader');
    books name := current_setting('bookreport.books');
    books_table text := current_setting('bookreport.books_table');
    each record;
begin
    for each in select unnest(array[owner, loader, reader]) as name loop
        if each.name ^@ 'pg_' or not exists (select from pg_roles where rolname = each.name) then
            raise exception 'there is no role % of your own', each.name using hint = 'create it first, for example: create role loader login';
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
    -- What each is for, for the owner's next migrate to grant. Kept in the catalog: a superuser who wrote to a table of the
    -- owner's would run the owner's triggers.
    execute format('comment on schema %I is %L', here, json_build_object('loader', loader, 'reader', reader, 'books', books));
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
