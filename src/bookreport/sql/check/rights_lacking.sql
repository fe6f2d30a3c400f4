-- The privileges that a load needs and this role lacks.
select string_agg(privilege, ', ' order by privilege) || ' on ' || name as lacking
from loader_rights
where not has_table_privilege(name, privilege)
group by name
union all
select 'execute on function ' || name
from unnest(array['ensure_month(timestamptz)', 'summarise_month(timestamptz)']) as name
where not has_function_privilege(name, 'execute')
union all
select 'temporary on database ' || current_database() where not has_database_privilege(current_database(), 'temporary')
order by lacking
