-- Sets the hour that this transaction loads into purchase_rows, and creates its month's partition if it was just pruned.
select set_config('bookreport.hour', :hour, true), ensure_month(cast(:hour as timestamptz))
