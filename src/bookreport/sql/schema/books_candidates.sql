-- Tables and views on the search path, other than bookreport's own, with the names of their columns.
select n.nspname as schema, c.relname as name, pg_catalog.array_agg(a.attname::text order by a.attnum) as columns
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
    and n.nspname = any(current_schemas(false)) and n.nspname <> :schema
group by n.nspname, c.relname
order by n.nspname, c.relname
