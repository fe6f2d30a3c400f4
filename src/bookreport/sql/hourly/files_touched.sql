-- The hours of these files (:hours, :file_times) of a template (:path) in which a book has since changed in the catalogue.
-- The sums of all hours are read once and hashed against the changes, for any number of hours; without changes, none are read.
with known as materialized (
    select w.hour, w.catalogue_as_of
    from unnest(cast(:hours as timestamptz[]), cast(:file_times as bigint[])) as f (hour, file_time)
    join reports_written w on w.hour = f.hour and w.file_time = f.file_time
    where w.path = :path
), touched as (
    select s.hour, max(c.changed_at) as changed_at
    from hour_sums s join catalogue_changes c on c.isbn10 = s.canonical
    where c.changed_at > (select min(catalogue_as_of) from known)
    group by s.hour
)
select t.hour from touched t join known k on k.hour = t.hour where t.changed_at > k.catalogue_as_of
