-- Tells purchase_rows which hour this transaction loads, and makes its month's partition if it was pruned a moment ago.
select set_config('bookreport.hour', :hour, true), ensure_month(cast(:hour as timestamptz))
