-- Waits until no load groups its sums by the catalogue, and keeps others from it until the transaction ends.
select from catalogue_state for update
