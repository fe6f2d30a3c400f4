-- The newest loaded hour that is believable: not before :earliest, and not more than an hour after now.
select max(hour) as hour from ledger
where status = 'loaded' and hour >= cast(:earliest as timestamptz) and hour <= now() + interval '1 hour'
