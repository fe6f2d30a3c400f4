-- The ISBNs of which the catalogue knows a price that purchases can have; the whole catalogue is read once.
select isbn10 from catalogue where price >= 0 and price < 1000000000000
