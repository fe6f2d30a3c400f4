-- The revision of bookreport's tables, the books table that migrate found, and whether everything that reads it still exists.
select version_num as revision, obj_description(to_regprocedure('books_rows()'), 'pg_proc') as books,
    to_regprocedure('books_rows()') is not null and to_regclass('books') is not null
        and to_regprocedure('canonical_isbn(text)') is not null and to_regprocedure('is_isbn(text)') is not null
        and to_regprocedure('book_digest(text, text, text, numeric)') is not null
        and to_regclass('catalogue') is not null and to_regclass('catalogue_state') is not null
        and to_regclass('catalogue_changes') is not null and to_regclass('reports_written') is not null
        and to_regprocedure('read_books()') is not null and to_regprocedure('books_state()') is not null
        and to_regprocedure('ensure_month(timestamptz)') is not null
        and to_regprocedure('summarise_month(timestamptz)') is not null
        and to_regclass('locks') is not null and to_regclass('loader_rights') is not null
        and to_regclass('group_sums') is not null and to_regclass('unmatched_sums') is not null
        and to_regclass('user_numbers') is not null and to_regclass('built_days') is not null and to_regclass('day_users') is not null
        and to_regclass('sales') is not null as is_whole
from alembic_version
