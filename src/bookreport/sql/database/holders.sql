-- Who else holds locks of this schema, first the sessions that show one of these names, then the oldest.
-- Only its own role, and a monitoring one, sees where a session comes from and since when it is there.
select format('role %s%s, pid %s%s', a.usename, ' from ' || coalesce(host(a.client_addr), 'this machine') || ', connected since '
    || to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS "UTC"'), a.pid, ' (' || nullif(a.application_name, '') || ')') as told
from pg_locks l join pg_stat_activity a on a.pid = l.pid
where l.locktype = 'relation' and l.relation = 'locks'::regclass and l.granted and l.pid <> pg_backend_pid()
    and l.database = (select oid from pg_database where datname = current_database())
group by a.usename, a.client_addr, a.backend_start, a.pid, a.application_name
order by a.application_name = any(select 'bookreport ' || unnest(cast(:names as text[]))) desc, a.backend_start
