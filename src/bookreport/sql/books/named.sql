-- The one table or view of this name, and the names of its columns.
select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as title,
    pg_catalog.array_agg(a.attname::text order by a.attnum) as columns
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.oid = cast(pg_catalog.to_regclass(cast(:table as text)) as oid)
group by n.nspname, c.relname
