-- Removes what the last errors of hours before an hour quote: everything from the first quote to the last,
-- or to the end of an error that was cut.
update ledger set last_error = regexp_replace(last_error, '[''"].*([''"]|…$)', '…')
where hour < cast(:before as timestamptz) and last_error ~ '[''"].*([''"]|…$)'
