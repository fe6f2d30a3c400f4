-- How many columns and bytes the table for files with other columns has; no row if this transaction has not created it.
select count(*) as columns, pg_relation_size(attrelid) as bytes
from pg_attribute where attrelid = to_regclass('pg_temp.incoming') and attnum > 0
group by attrelid
