-- Removes the raw text of rejects before an hour, and what their reasons quote: everything from the first quote to the last.
update rejects set raw = null, reason = regexp_replace(reason, '[''"].*[''"]', '…')
where hour < cast(:before as timestamptz) and (raw is not null or reason ~ '[''"].*[''"]')
