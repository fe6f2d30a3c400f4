"""What is wrong with what was loaded: drift of the bucket, and accounts that don't agree."""

from __future__ import annotations

from dataclasses import dataclass

from bookreport.database import Database
from bookreport.drift import Difference, compare, recorded_files
from bookreport.errors import BadData
from bookreport.hours import FIRST, LAST, Hour
from bookreport.source import Bucket


@dataclass(frozen=True)
class Verification:
    """What `verify` found in that many loaded hours."""

    hours: int
    differences: tuple[Difference, ...]


def verify(database: Database, bucket: Bucket, since: Hour | None = None, until: Hour | None = None) -> Verification:
    """Compare the loaded hours from `since` to `until` (not included) with the bucket and with the tables; write nothing."""
    bounds = (since or FIRST, until or LAST)
    with database.transaction(snapshot=True) as transaction:
        recorded = recorded_files(transaction, *bounds)
        accounts = transaction.rows("accounts", since=bounds[0].start, until=bounds[1].start)
    found = [
        Difference(Hour(row.hour), row.kind, None, f"{row.what}: {row.expected} in the ledger, {row.found} in the tables")
        for row in accounts
    ]
    for hour, files in recorded.items():
        if bucket.marker(hour) is None:
            found.append(Difference(hour, "marker", None, "the marker is gone"))
        try:
            found += compare(hour, files, bucket.files(hour))
        except BadData as error:
            found.append(Difference(hour, "added", None, error.message))
    return Verification(len(recorded), tuple(sorted(found, key=lambda difference: difference.hour)))
