-- Tells purchase_rows which hour this transaction loads.
select set_config('bookreport.hour', :hour, true)
