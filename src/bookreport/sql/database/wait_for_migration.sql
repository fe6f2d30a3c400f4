-- Waits until no other session migrates a schema, and keeps others from it until the transaction ends.
-- It runs where others may have put functions: names are qualified.
select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(pg_catalog.concat('bookreport migrate ', cast(:schema as text)), 0))
