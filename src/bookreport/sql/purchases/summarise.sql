-- Summarises the newest pages of an hour's month, so that its rows are found without reading the month.
select sum(brin_summarize_new_values(i.indexrelid))
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
where a.amname = 'brin' and i.indrelid in (to_regclass('hour_sums'),
    to_regclass('purchase_rows_' || to_char(cast(:hour as timestamptz) at time zone 'UTC', 'YYYY_MM')))
