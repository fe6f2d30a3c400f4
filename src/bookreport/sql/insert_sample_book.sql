-- Adds a title to the sample catalogue.
insert into books ("index", "ISBN-10", "Format", "Language") values (:number, :isbn10, :format, :language)
