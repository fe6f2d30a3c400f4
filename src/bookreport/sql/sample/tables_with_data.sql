-- Tables and views other than bookreport's own; and bookreport's ledger if it has an hour.
select n.nspname || '.' || c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname <> :schema
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
union all
select :schema || '.ledger' where coalesce((
    select n_live_tup + n_tup_ins > 0 from pg_stat_user_tables where schemaname = :schema and relname = 'ledger'), false)
order by name
