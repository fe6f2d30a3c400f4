-- The newest loaded hour.
select max(hour) as hour from ledger where status = 'loaded'
