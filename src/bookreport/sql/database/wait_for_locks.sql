-- Waits for advisory locks of this schema in the order given, and holds them until the transaction ends.
select pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || name, 0))
from unnest(cast(:names as text[])) with ordinality as locks (name, place)
