-- Takes an advisory lock of this schema until the transaction ends, or reports that another run has it.
select pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' ' || :name, 0)) as taken
