-- Removes what the errors of attempts at hours before an hour quote: everything from the first quote to the last,
-- or to the end of an error that was cut.
update loads set error = regexp_replace(error, '[''"].*([''"]|…$)', '…')
where hour < cast(:before as timestamptz) and error ~ '[''"].*([''"]|…$)'
