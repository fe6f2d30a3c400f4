-- Whether the schema exists.
select nspname from pg_namespace where nspname = :schema
