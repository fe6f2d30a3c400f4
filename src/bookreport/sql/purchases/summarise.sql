-- Summarises the newest pages of an hour's month, so that its rows are found without reading the month.
select summarise_month(cast(:hour as timestamptz))
