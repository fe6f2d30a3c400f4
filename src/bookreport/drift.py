"""Drift: files of a loaded hour that were added, changed or removed since."""

from __future__ import annotations

import logging

from bookreport.bucket import Bucket
from bookreport.database import Database, Transaction
from bookreport.errors import BadData
from bookreport.files import File, compare
from bookreport.hours import Hour

log = logging.getLogger(__name__)


def recorded_files(transaction: Transaction, since: Hour, until: Hour) -> dict[Hour, list[File]]:
    """Return the files of each loaded hour from `since` to `until` (exclusive), as they were loaded."""
    recorded: dict[Hour, list[File]] = {}
    for row in transaction.rows("drift/recorded_files", since=since.start, until=until.start):
        files = recorded.setdefault(Hour(row.hour), [])
        if row.key is not None:
            files.append(File(row.key, row.size, row.etag, row.last_modified))
    return recorded


def drifted(database: Database, bucket: Bucket, since: Hour, until: Hour) -> list[Hour]:
    """Return the loaded hours from `since` to `until` (exclusive) whose files have changed since, oldest first.

    Only warns, and leaves the hour alone, if files keep their size but not their ETag (a copied bucket), or if the marker
    or all files are gone.
    """
    with database.transaction(snapshot=True) as transaction:
        recorded = recorded_files(transaction, since, until)
    return [hour for hour, files in recorded.items() if _has_drifted(bucket, hour, files)]


def _has_drifted(bucket: Bucket, hour: Hour, recorded: list[File]) -> bool:
    has_marker, listed = bucket.contents(hour)
    if isinstance(listed, BadData):
        # The reload will report what is wrong, and leave the hour as it was.
        return True
    differences = compare(hour, recorded, listed)
    for difference in differences:
        log.log(logging.WARNING if difference.same_size else logging.INFO, "%s: %s", hour, difference.message)
    if all(difference.same_size for difference in differences):
        return False
    if not listed or not has_marker:
        log.warning("%s: %s gone; the hour stays as it was loaded", hour, "its marker is" if listed else "all of its files are")
        return False
    return True
