-- Every failed hour, oldest first.
select hour from ledger where status = 'failed' order by hour
