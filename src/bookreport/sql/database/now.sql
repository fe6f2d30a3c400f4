-- The time by Postgres's clock.
select clock_timestamp() as now
