-- Records that an hour is loaded, and returns what is then known about it.
insert into ledger (hour, status, attempts, files, bytes, rows_loaded, rows_rejected, rows_unmatched,
    fingerprint, marker_at, loaded_at, load_id)
values (cast(:hour as timestamptz), 'loaded', 1, :files, :bytes, :rows_loaded, :rows_rejected, :rows_unmatched,
    :fingerprint, cast(:marker_at as timestamptz), clock_timestamp(), :load_id)
on conflict (hour) do update set status = excluded.status, last_error = null, attempts = ledger.attempts + 1,
    files = excluded.files, bytes = excluded.bytes, rows_loaded = excluded.rows_loaded,
    rows_rejected = excluded.rows_rejected, rows_unmatched = excluded.rows_unmatched,
    fingerprint = excluded.fingerprint, marker_at = excluded.marker_at, loaded_at = excluded.loaded_at,
    load_id = excluded.load_id, reason = null, sums_kept = false
returning status, attempts, files, bytes, rows_loaded, rows_rejected, rows_unmatched, load_id
