"""Drift: files of a loaded hour that were added, changed or removed since."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from bookreport.database import Transaction
from bookreport.hours import Hour
from bookreport.source import File


@dataclass(frozen=True)
class Difference:
    """One difference between the ledger and what is there now.

    `kind`: added, changed, removed or marker (the bucket's), rows or sums (the tables'); `key` None where it is no file's.
    """

    hour: Hour
    kind: str
    key: str | None
    message: str
    same_size: bool = False


def recorded_files(transaction: Transaction, since: Hour, until: Hour) -> dict[Hour, list[File]]:
    """Return the files of each loaded hour from `since` to `until` (not included), as they were loaded."""
    recorded: dict[Hour, list[File]] = {}
    for row in transaction.rows("recorded_files", since=since.start, until=until.start):
        files = recorded.setdefault(Hour(row.hour), [])
        if row.key is not None:
            files.append(File(row.key, row.size, row.etag, row.last_modified))
    return recorded


def compare(hour: Hour, recorded: Collection[File], listed: Collection[File]) -> list[Difference]:
    """Return how the files that the bucket lists differ from those that were loaded, ordered by key."""
    then = {file.key: file for file in recorded}
    now = {file.key: file for file in listed}
    differences = []
    for key in sorted({*then, *now}):
        if key not in then:
            differences.append(Difference(hour, "added", key, f"{key} was added: {now[key].size:,} bytes"))
        elif key not in now:
            differences.append(Difference(hour, "removed", key, f"{key} was removed: {then[key].size:,} bytes"))
        elif then[key].size != now[key].size:
            sizes = f"{then[key].size:,} bytes then, {now[key].size:,} now"
            differences.append(Difference(hour, "changed", key, f"{key} was changed: {sizes}"))
        elif then[key].etag != now[key].etag:
            message = f"{key} has the same size under another ETag: it was copied, or changed in place"
            differences.append(Difference(hour, "changed", key, message, same_size=True))
    return differences
