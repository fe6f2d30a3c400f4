-- The newest loaded hour, but for those that can't be: before :earliest, or beginning more than an hour after now.
select max(hour) as hour from ledger
where status = 'loaded' and hour >= cast(:earliest as timestamptz) and hour <= now() + interval '1 hour'
