-- Every failed hour, however old, with its error, oldest first.
select hour, attempts, last_error as error from ledger where status = 'failed' order by hour
