-- The privileges that a load needs and this role lacks.
select 'create tables in schema ' || current_schema() as lacking
where not has_schema_privilege(current_schema(), 'create')
union all
select 'make temporary tables' where not has_database_privilege(current_database(), 'temporary')
union all
select 'own the table ' || c.relname
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = current_schema() and c.relkind in ('r', 'p') and not c.relispartition and not pg_has_role(c.relowner, 'usage')
order by lacking
