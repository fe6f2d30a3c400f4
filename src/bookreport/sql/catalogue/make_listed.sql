-- The transaction's temporary table for the books as they were read.
create temporary table listed (isbn10 text, format text, language text, price numeric) on commit drop
