-- The loaded hours, newest first, each with the times of files of a template (:path, :format, :language) that are of its load.
-- Not of files that tell other :languages (null: the one asked for is among them), or since which not every change of the
-- catalogue is known.
select l.hour, w.file_time
from ledger l left join reports_written w
    on w.hour = l.hour and w.load_id = l.load_id and w.path = :path and w.format = :format and w.language = :language
    and w.languages is not distinct from cast(:languages as text[])
    and w.catalogue_as_of >= (select changes_since from catalogue_state)
where l.status = 'loaded'
order by l.hour desc
