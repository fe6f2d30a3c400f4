-- Files of an hour's day with the same size and ETag as one of that hour: probably one file under two names.
select distinct f.key, other.hour as other_hour, other.key as other_key
from ledger_files f join ledger_files other
    on other.size = f.size and other.etag = f.etag and (other.hour, other.key) <> (f.hour, f.key)
    and other.hour >= date_trunc('day', cast(:hour as timestamptz), 'UTC')
    and other.hour < date_trunc('day', cast(:hour as timestamptz), 'UTC') + interval '24 hours'
where f.hour = cast(:hour as timestamptz) and f.rows_loaded > 0
order by f.key, other.hour, other.key
