-- How many rejects before an hour still have their raw text.
select count(*) as rejects from rejects where hour < cast(:before as timestamptz) and raw is not null
