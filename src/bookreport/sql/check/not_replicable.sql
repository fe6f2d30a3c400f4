-- Bookreport's tables that a publication replicates although their rows have no identity: deleting from them fails.
select p.pubname as publication, c.relname as name
from pg_publication_tables p
join pg_namespace n on n.nspname = p.schemaname and n.nspname = current_schema()
join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename and c.relkind = 'r'
where c.relreplident = 'n'
    or (c.relreplident = 'd' and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary))
order by p.pubname, c.relname
