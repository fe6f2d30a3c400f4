-- Records how a file of an hour was loaded.
insert into ledger_files (hour, key, etag, size, last_modified, columns, rows_loaded, rows_rejected)
values (cast(:hour as timestamptz), :key, :etag, :size, cast(:last_modified as timestamptz), cast(:columns as jsonb),
    :rows_loaded, :rows_rejected)
