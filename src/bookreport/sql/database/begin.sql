-- The settings of a transaction, local to it: where names are found, no time-out except for locks, and a planner that hashes.
-- The planner takes rows newer than the last ANALYZE for one row: it would then sort millions of rows to group them, or
-- compare each with each book in a nested loop. A hash costs in proportion to what is there, whatever the estimate.
select set_config('search_path', case when :search_path = '' then current_setting('search_path') else :search_path end, true),
    set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true),
    set_config('lock_timeout', :lock_timeout, true),
    set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true),
    -- PostgreSQL 17 and newer have it.
    case when current_setting('transaction_timeout', true) is not null then set_config('transaction_timeout', '0', true) end,
    set_config('tcp_keepalives_idle', '30', true), set_config('tcp_keepalives_interval', '10', true),
    set_config('tcp_keepalives_count', '6', true),
    set_config('enable_sort', 'off', true), set_config('enable_nestloop', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_memoize', 'off', true),
    set_config('work_mem', '64MB', true), set_config('jit', 'off', true)
