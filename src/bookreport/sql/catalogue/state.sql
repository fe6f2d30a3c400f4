-- When the catalogue's books were read, its languages, whether the books (:books, :digest) are still the same, and whether
-- this role may update it.
select as_of, languages, books = :books and digest = cast(:digest as numeric) as is_current,
    not pg_is_in_recovery() and has_table_privilege('catalogue', 'insert') as may_refresh
from catalogue_state
