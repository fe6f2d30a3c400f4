-- Adds an attempt to the history.
insert into loads (run_id, hour, outcome, started_at, seconds, files, bytes, rows_loaded, rows_rejected,
    books_sold_before, books_sold, sale_value_before, sale_value, error, version)
values (cast(:run_id as uuid), cast(:hour as timestamptz), :outcome, cast(:started_at as timestamptz),
    cast(:seconds as jsonb), :files, :bytes, :rows_loaded, :rows_rejected,
    :books_sold_before, :books_sold, :sale_value_before, :sale_value, :error, :version)
returning load_id
