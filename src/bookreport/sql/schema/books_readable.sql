-- Fails if the books can't be read: their view or function is gone, or the table beneath it is a different one.
select from books limit 0
