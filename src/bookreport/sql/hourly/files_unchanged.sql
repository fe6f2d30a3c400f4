-- Records that these files (:hours, :file_times) of a template (:path) are still right as of a catalogue. Skips what another
-- run has locked: two runs waiting for each other's rows would both be stuck.
with free as materialized (
    select w.host, w.path, w.hour
    from reports_written w
    join unnest(cast(:hours as timestamptz[]), cast(:file_times as bigint[])) as f (hour, file_time)
        on f.hour = w.hour and f.file_time = w.file_time
    where w.path = :path and w.catalogue_as_of < cast(:as_of as timestamptz)
    for update of w skip locked
)
update reports_written w set catalogue_as_of = cast(:as_of as timestamptz)
from free where w.host = free.host and w.path = free.path and w.hour = free.hour
