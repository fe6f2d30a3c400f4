-- What the books are and whose, if they can run their owner's functions: anything but a table without policies and with
-- types of Postgres alone; and the role with whose rights such functions run. No row if they can't, or if it is their owner.
select case c.relkind when 'v' then 'a view' when 'm' then 'a materialized view' when 'f' then 'a foreign table'
    when 'p' then 'a partitioned table' else 'a table with row-level security or types of its own' end as kind,
    owner.rolname as owner, current_user as runs_as
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_roles owner on owner.oid = c.relowner
join pg_proc reads on reads.oid = 'read_books()'::regprocedure and not reads.prosecdef
where obj_description(to_regprocedure('books_rows()'), 'pg_proc') = format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) and owner.rolname <> current_user
    and (c.relkind <> 'r' or c.relrowsecurity or exists (
        select from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_roles r on r.oid = t.typowner
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and not r.rolsuper
    ))
