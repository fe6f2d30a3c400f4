-- The files of each loaded hour of a span; an hour without files is one row without a key.
select l.hour, f.key, f.etag, f.size, f.last_modified
from ledger l left join ledger_files f on f.hour = l.hour
where l.status = 'loaded' and l.hour >= cast(:since as timestamptz) and l.hour < cast(:until as timestamptz)
order by l.hour, f.key
