-- Records which load and which catalogue the file of an hour was made from, and forgets the file it replaced.
with replaced as (
    delete from reports_written
    where path = :path and hour = cast(:hour as timestamptz) and host <> :host and file_time = cast(:replaced as bigint)
)
insert into reports_written (host, path, hour, format, language, file_time, load_id, catalogue_as_of, languages)
values (:host, :path, cast(:hour as timestamptz), :format, :language, :file_time, :load_id, cast(:as_of as timestamptz),
    cast(:languages as text[]))
on conflict (host, path, hour) do update
set format = excluded.format, language = excluded.language, file_time = excluded.file_time, load_id = excluded.load_id,
    catalogue_as_of = excluded.catalogue_as_of, languages = excluded.languages
