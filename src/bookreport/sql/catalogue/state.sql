-- When the catalogue's books were read, its languages, whether the books are still the same, and whether this role may update
-- it. Reads each book once, as its owner wrote it (trimming blanks would cost twice the rest), and joins nothing else.
select s.as_of, s.languages, s.books = b.books and s.digest = b.digest as is_current,
    pg_has_role(c.relowner, 'usage') and not pg_is_in_recovery() as may_refresh
from (
    select count(*) as books, coalesce(sum(book_digest(isbn10, format, language, price)), 0) as digest from books_rows()
) b
cross join pg_class c
cross join catalogue_state s
where c.oid = to_regclass('catalogue')
