-- When the catalogue's books were read.
select as_of from catalogue_state
