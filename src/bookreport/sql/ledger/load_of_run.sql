-- Whether a run's load of an hour was committed.
select load_id from loads
where run_id = cast(:run_id as uuid) and hour = cast(:hour as timestamptz) and outcome in ('loaded', 'reloaded')
