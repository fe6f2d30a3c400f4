-- The revision of bookreport's tables, and the books table that migrate found.
select version_num as revision, obj_description(to_regprocedure('books_rows()'), 'pg_proc') as books
from alembic_version
