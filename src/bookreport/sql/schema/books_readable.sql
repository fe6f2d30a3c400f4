-- Fails if the books can't be read: their function is gone, or the table beneath it is a different one.
select from read_books() limit 0
