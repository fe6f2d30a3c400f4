-- Records of which loads a day is built.
insert into built_days (day, load_ids) values (cast(:day as timestamptz), cast(:load_ids as bigint[]))
on conflict (day) do update set load_ids = excluded.load_ids, built_at = excluded.built_at
