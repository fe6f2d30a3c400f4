-- What is known of these hours, oldest first: their state in the ledger (null: none), and the rows and rejects in the tables.
-- An hour of which nothing is known is left out.
with asked as (select distinct hour from unnest(cast(:hours as timestamptz[])) as each (hour)),
bought as (select hour, count(*) as rows from purchase_rows where hour = any(cast(:hours as timestamptz[])) group by hour),
set_aside as (select hour, count(*) as rows from rejects where hour = any(cast(:hours as timestamptz[])) group by hour)
select a.hour, l.status, coalesce(b.rows, 0)::bigint as rows, coalesce(s.rows, 0)::bigint as rejects
from asked a
left join ledger l on l.hour = a.hour
left join bought b on b.hour = a.hour
left join set_aside s on s.hour = a.hour
where l.hour is not null or b.rows is not null or s.rows is not null
order by a.hour
