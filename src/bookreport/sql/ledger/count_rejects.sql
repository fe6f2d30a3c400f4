-- How many rejects there are of one hour or (null) of all.
select count(*) as rejects from rejects where cast(:hour as timestamptz) is null or hour = cast(:hour as timestamptz)
