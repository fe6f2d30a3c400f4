-- What time it is by Postgres.
select clock_timestamp() as now
