-- The transaction's temporary table for the ISBNs that move to another group of sales, and where each was before.
create temporary table regrouped (
    isbn10 text collate "C", was_matched boolean, old_format text, old_language text,
    is_matched boolean, format text, language text
) on commit drop
