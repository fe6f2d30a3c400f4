-- Tables and views, other than bookreport's own, with the names of their columns, and whether they are on the search path.
select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as title,
    n.nspname = any(current_schemas(false)) as is_on_path, pg_catalog.array_agg(a.attname::text order by a.attnum) as columns
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and n.nspname <> :schema and n.nspname <> 'information_schema' and not n.nspname ^@ 'pg_'
    and not exists (select from pg_proc where pronamespace = n.oid and proname = 'loading_hour')
group by n.nspname, c.relname
order by n.nspname, c.relname
