-- What is known about an hour.
select status, attempts, files, bytes, rows_loaded, rows_rejected, rows_unmatched, load_id
from ledger where hour = cast(:hour as timestamptz)
