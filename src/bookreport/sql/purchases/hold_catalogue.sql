-- When the catalogue's books were read; it stays so until the transaction ends.
select as_of from catalogue_state for share
