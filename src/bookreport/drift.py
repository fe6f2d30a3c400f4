"""Drift: files of a loaded hour that were added, changed or removed since."""

from __future__ import annotations

from bookreport.database import Transaction
from bookreport.files import File
from bookreport.hours import Hour


def recorded_files(transaction: Transaction, since: Hour, until: Hour) -> dict[Hour, list[File]]:
    """Return the files of each loaded hour from `since` to `until` (not included), as they were loaded."""
    recorded: dict[Hour, list[File]] = {}
    for row in transaction.rows("recorded_files", since=since.start, until=until.start):
        files = recorded.setdefault(Hour(row.hour), [])
        if row.key is not None:
            files.append(File(row.key, row.size, row.etag, row.last_modified))
    return recorded
