-- Forgets files whose hours are no longer loaded by the same load, and the catalogue changes that all other files include.
-- Skips what another run has locked. Reads each table once and joins by hashing.
with known as materialized (
    select w.host, w.path, w.hour, w.catalogue_as_of, l.hour is not null as counts
    from reports_written w
    left join ledger l on l.hour = w.hour and l.load_id = w.load_id and l.status = 'loaded'
), free as materialized (
    select w.host, w.path, w.hour
    from reports_written w join known k on k.host = w.host and k.path = w.path and k.hour = w.hour
    where not k.counts
    for update of w skip locked
), gone as (
    delete from reports_written w using free
    where w.host = free.host and w.path = free.path and w.hour = free.hour
), reached as materialized (
    select coalesce((select min(catalogue_as_of) from known where counts), as_of) as by_all from catalogue_state
), forgotten as (
    delete from catalogue_changes where changed_at <= (select by_all from reached)
)
update catalogue_state set changes_since = greatest(changes_since, (select by_all from reached))
