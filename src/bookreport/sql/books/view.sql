-- The name of a view beside a table, and the statement that makes it: it gives columns of the table names that bookreport knows.
select format('%I.books_for_reports', cast(:schema as text)) as name,
    format('create view %I.books_for_reports as select %s from %I.%I', cast(:schema as text),
        string_agg(format('%I as %s', c.name, c.meaning), ', ' order by c.place), cast(:schema as text), cast(:table as text)) as made
from unnest(cast(:columns as text[]), cast(:meanings as text[])) with ordinality as c (name, meaning, place)
