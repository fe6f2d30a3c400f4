-- The settings of a transaction, local to it: no time-out except for locks, and a planner that hashes.
-- Names are qualified: whoever owns the database may have put others before them.
-- The planner takes rows newer than the last ANALYZE for one row: it would then sort millions of rows to group them, or
-- compare each with each book in a nested loop. A hash costs in proportion to what is there, whatever the estimate.
select pg_catalog.set_config('TimeZone', 'UTC', true), pg_catalog.set_config('DateStyle', 'ISO, YMD', true),
    pg_catalog.set_config('lock_timeout', :lock_timeout, true),
    pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
    -- PostgreSQL 17 and newer have it.
    case when pg_catalog.current_setting('transaction_timeout', true) is not null then pg_catalog.set_config('transaction_timeout', '0', true) end,
    pg_catalog.set_config('tcp_keepalives_idle', '30', true), pg_catalog.set_config('tcp_keepalives_interval', '10', true),
    pg_catalog.set_config('tcp_keepalives_count', '6', true),
    pg_catalog.set_config('enable_sort', 'off', true), pg_catalog.set_config('enable_nestloop', 'off', true),
    pg_catalog.set_config('enable_mergejoin', 'off', true), pg_catalog.set_config('enable_memoize', 'off', true),
    pg_catalog.set_config('work_mem', '64MB', true), pg_catalog.set_config('jit', 'off', true)
