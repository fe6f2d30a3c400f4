-- Bookreport's own tables, views and functions, which of their names a schema has, and which of them keep what is nowhere else.
select own.name, own.kept, exists (
    select from pg_namespace n
    where n.nspname = :schema and (
        exists (select from pg_class where relnamespace = n.oid and relname = own.name)
        or exists (select from pg_proc where pronamespace = n.oid and proname = own.name)
        or exists (select from pg_type where typnamespace = n.oid and typname = own.name)
    )
) as is_there
from (values
    ('alembic_version', true), ('hour_sums', true), ('ledger', true), ('ledger_files', true), ('loads', true),
    ('loading_hour', true), ('purchase_rows', true), ('rejects', true), ('source', true),
    ('book_digest', false), ('books', false), ('books_rows', false), ('books_state', false), ('canonical_isbn', false),
    ('catalogue', false), ('catalogue_changes', false), ('catalogue_state', false), ('ensure_month', false), ('is_isbn', false),
    ('loader_rights', false), ('locks', false), ('purchases', false), ('read_books', false), ('reports_written', false),
    ('sales', false), ('summarise_month', false), ('tidied_isbn', false), ('built_days', false),
    ('day_users', false), ('group_sums', false), ('unmatched_sums', false), ('user_numbers', false)
) as own (name, kept)
order by own.name
