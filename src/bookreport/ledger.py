"""The ledger: which hours are loaded, from which files, and how every attempt ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bookreport import __version__
from bookreport.database import Database, Transaction
from bookreport.errors import Configuration
from bookreport.hours import Hour
from bookreport.rows import Reading
from bookreport.source import Bucket, File, fingerprint


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of one hour: `status` is loaded, failed or skipped; counts are of the hour as loaded."""

    hour: Hour
    status: str
    attempts: int
    files: int
    bytes: int
    rows_loaded: int
    rows_rejected: int
    rows_unmatched: int
    load_id: int | None

    @property
    def is_loaded(self) -> bool:
        return self.status == "loaded"


@dataclass(frozen=True)
class FileLoad:
    """How one file was loaded."""

    file: File
    reading: Reading | None
    rows_loaded: int
    rows_rejected: int = 0


@dataclass(frozen=True)
class Sums:
    """The sums of one hour: `rows_unmatched` were sold under an ISBN that the catalogue does not hold."""

    rows: int
    books_sold: int
    sale_value: Decimal
    rows_unmatched: int


@dataclass(frozen=True)
class Attempt:
    """One attempt to load an hour, for the history; `seconds` by phase."""

    run_id: UUID
    hour: Hour
    started_at: datetime
    seconds: dict[str, float]


def check_source(transaction: Transaction, bucket: Bucket, *, new_source: bool) -> None:
    """Raise Configuration when the ledger speaks of another bucket than `bucket`, unless that is meant (`new_source`)."""
    known = transaction.row("source")
    if known is None or new_source:
        return
    is_now = bucket.identity
    differing = [name for name in ("endpoint", "bucket", "prefix") if getattr(known, name) != is_now[name]]
    if differing:
        told = ", ".join(f"{name} is {is_now[name]!r}, was {getattr(known, name)!r}" for name in differing)
        raise Configuration(
            f"the ledger was loaded from another source: {told}",
            hint="look at S3_BUCKET, S3_PREFIX and S3_ENDPOINT_URL; if the bucket has moved, say --new-source once",
        )


def entry(transaction: Transaction, hour: Hour) -> Entry | None:
    """Return what is known of `hour`; None when it was never tried."""
    row = transaction.row("ledger_entry", hour=hour.start)
    return Entry(hour, *row[1:]) if row else None


def newest_loaded(transaction: Transaction) -> Hour | None:
    """Return the newest loaded hour; None with none."""
    row = transaction.row("newest_loaded")
    return _hour(row.hour) if row and row.hour else None


def settled_hours(transaction: Transaction, since: Hour | None = None) -> set[Hour]:
    """Return the hours from `since` on (None: all) that need no load: loaded, or given up."""
    return {_hour(row.hour) for row in transaction.rows("settled_hours", since=since.start if since else None)}


def failed_hours(transaction: Transaction) -> list[Hour]:
    """Return every failed hour, however old, oldest first."""
    return [_hour(row.hour) for row in transaction.rows("failed_hours")]


def remove(transaction: Transaction, hour: Hour) -> None:
    """Take the hour's rows, sums, files and rejects away, for the load that replaces them."""
    for statement in ("delete_rows", "delete_sums", "delete_files", "delete_rejects"):
        transaction.run(statement, hour=hour.start)


def add_up(transaction: Transaction, hour: Hour) -> Sums:
    """Make the sums of the hour's rows that reports add up, and return their total."""
    transaction.run("insert_sums", hour=hour.start)
    return sums(transaction, hour)


def sums(transaction: Transaction, hour: Hour) -> Sums:
    """Return the total of the hour's stored sums."""
    row = transaction.row("hour_total", hour=hour.start)
    assert row is not None
    return Sums(*row)


def record_load(
    transaction: Transaction,
    attempt: Attempt,
    bucket: Bucket,
    marker_at: datetime,
    files: Sequence[FileLoad],
    before: Sums | None,
    after: Sums,
) -> Entry:
    """Write that the hour is loaded, in the transaction that loads it; `before` is None unless it was a reload."""
    hour = attempt.hour
    total_bytes = sum(load.file.size for load in files)
    rejected = sum(load.rows_rejected for load in files)
    counts = {"files": len(files), "bytes": total_bytes, "rows_loaded": after.rows, "rows_rejected": rejected}
    load = transaction.row(
        "insert_load",
        **_attempt(attempt),
        **counts,
        outcome="reloaded" if before else "loaded",
        books_sold_before=before.books_sold if before else None,
        books_sold=after.books_sold,
        sale_value_before=before.sale_value if before else None,
        sale_value=after.sale_value,
        error=None,
    )
    assert load is not None
    transaction.run(
        "record_loaded",
        **counts,
        hour=hour.start,
        rows_unmatched=after.rows_unmatched,
        fingerprint=fingerprint([load.file for load in files]),
        marker_at=marker_at,
        load_id=load.load_id,
    )
    batch = [
        {
            "hour": hour.start,
            "key": load.file.key,
            "etag": load.file.etag,
            "size": load.file.size,
            "last_modified": load.file.last_modified,
            "columns": json.dumps(load.reading.as_json() if load.reading else {}),
            "rows_loaded": load.rows_loaded,
            "rows_rejected": load.rows_rejected,
        }
        for load in files
    ]
    if batch:
        transaction.run("insert_file", *batch)
    transaction.run("record_source", **bucket.identity)
    recorded = entry(transaction, hour)
    assert recorded is not None
    return recorded


def record_failure(database: Database, attempt: Attempt, bucket: Bucket, error: str) -> int:
    """Write that an attempt failed, in a transaction of its own; return the number of attempts so far.

    A loaded hour stays loaded, with the error beside it.
    """
    nothing = dict.fromkeys(
        ("files", "bytes", "rows_loaded", "rows_rejected", "books_sold_before", "books_sold", "sale_value_before", "sale_value")
    )
    with database.transaction() as transaction:
        transaction.row("insert_load", **_attempt(attempt), **nothing, outcome="failed", error=error)
        row = transaction.row("record_failed", hour=attempt.hour.start, error=error)
        transaction.run("record_source", **bucket.identity)
    assert row is not None
    return int(row.attempts)


def load_of_run(transaction: Transaction, run_id: UUID, hour: Hour) -> bool:
    """Return whether this run's load of the hour was committed."""
    return transaction.row("load_of_run", run_id=str(run_id), hour=hour.start) is not None


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "run_id": str(attempt.run_id),
        "hour": attempt.hour.start,
        "started_at": attempt.started_at,
        "seconds": json.dumps(attempt.seconds),
        "version": __version__,
    }


def _hour(instant: datetime) -> Hour:
    return Hour(instant)
