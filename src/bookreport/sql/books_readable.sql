-- Fails where the catalogue can't be read: its view or function is gone, or the table beneath it is another one.
select from catalogue limit 0
