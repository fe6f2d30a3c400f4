-- The languages of the catalogue, as they are spelled there.
select distinct language from catalogue where language is not null
