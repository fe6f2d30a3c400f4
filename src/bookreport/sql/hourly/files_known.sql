-- The loaded hours, newest first, each with the times of its load's files of a template (:path, :format, :language).
-- Excludes files that list other :languages (null: the requested one is among them), and files from before the time since
-- which every change of the catalogue is known.
select l.hour, w.file_time
from ledger l left join reports_written w
    on w.hour = l.hour and w.load_id = l.load_id and w.path = :path and w.format = :format and w.language = :language
    and w.languages is not distinct from cast(:languages as text[])
    and w.catalogue_as_of >= (select changes_since from catalogue_state)
where l.status = 'loaded'
order by l.hour desc
