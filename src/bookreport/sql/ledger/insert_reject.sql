-- Sets a record aside.
insert into rejects (hour, key, line_number, reason, raw)
values (cast(:hour as timestamptz), :key, :line_number, :reason, :raw)
