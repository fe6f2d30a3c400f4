-- Waits for an advisory lock of this schema, and takes it until the transaction ends.
select pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || :name, 0))
