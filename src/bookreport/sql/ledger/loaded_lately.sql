-- Whether an hour was loaded within the last :seconds, by the server's clock. Reads the ledger: one row for each hour there was.
select exists (
    select from ledger where loaded_at > now() - cast(:seconds as integer) * interval '1 second'
) as is_so
