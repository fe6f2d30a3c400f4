-- What the ledger knows of an hour that is not loaded (its error if it failed, the reason if it was skipped), and the time.
select l.status, case l.status when 'failed' then l.last_error when 'skipped' then l.reason end as why, now() as now
from (values (cast(:hour as timestamptz))) as asked (hour) left join ledger l on l.hour = asked.hour
