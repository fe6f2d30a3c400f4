-- Takes the raw text of the rejects before an hour away, and what their reasons quote of it: all from the first quote to the last.
update rejects set raw = null, reason = regexp_replace(reason, '[''"].*[''"]', '…')
where hour < cast(:before as timestamptz) and (raw is not null or reason ~ '[''"].*[''"]')
