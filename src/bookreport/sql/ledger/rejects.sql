-- The rejects of one hour or (null) of all, newest hour first.
select hour, key, line_number, reason, raw from rejects
where cast(:hour as timestamptz) is null or hour = cast(:hour as timestamptz)
order by hour desc, key collate "C", line_number
limit :limit
