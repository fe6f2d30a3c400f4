-- The database and role of this connection, and the server's version and clock.
select current_database() as database, current_user as role, current_setting('server_version') as version,
    current_setting('server_version_num')::integer as version_number, clock_timestamp() as now,
    current_setting('is_superuser')::boolean as is_superuser
