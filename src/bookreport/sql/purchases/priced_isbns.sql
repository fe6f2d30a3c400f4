-- The ISBNs with a price in the catalogue that purchases can have; the whole catalogue is read once.
select isbn10 from catalogue where price >= 0 and price < 1000000000000
