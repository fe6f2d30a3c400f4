-- The revision of bookreport's tables, the books table that migrate found, and whether what reads it is there.
select version_num as revision, obj_description(to_regprocedure('books_rows()'), 'pg_proc') as books,
    to_regprocedure('books_rows()') is not null and to_regclass('books') is not null
        and to_regclass('catalogue') is not null and to_regclass('sales') is not null as has_views
from alembic_version
