-- Waits until no other session migrates a schema, and keeps others from it until the transaction ends.
select pg_advisory_xact_lock(hashtextextended('bookreport migrate ' || :schema, 0))
