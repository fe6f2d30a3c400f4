"""The ledger: which hours are loaded, from which files, and how every attempt ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bookreport import __version__, purchases
from bookreport.columns import Reading
from bookreport.database import Database, Transaction
from bookreport.errors import BookreportError, Configuration, Locked, TooManyRejects, Usage
from bookreport.files import File, Source, fingerprint
from bookreport.hours import EARLIEST, FIRST, Hour, Span, believable
from bookreport.outcomes import Ending, Entry, HourState, Total
from bookreport.purchases import Sums

AT_ONCE = 0.1
"""Seconds to wait for an hour that should be free: long enough for the server to look, and no more."""


@dataclass(frozen=True)
class FileLoad:
    """How one file was loaded; `reading` is None if the file was empty."""

    file: File
    reading: Reading | None
    rows_loaded: int
    rows_rejected: int = 0


@dataclass(frozen=True)
class Attempt:
    """One attempt to load an hour, for the history; `seconds` by phase."""

    run_id: UUID
    hour: Hour
    started_at: datetime
    seconds: dict[str, float]


def require_source(transaction: Transaction, source: Source) -> None:
    """Raise Configuration if the ledger belongs to another bucket than `source`."""
    known = _source(transaction)
    if known is None or known.identity == source.identity:
        return
    differing = [name for name, was, now in zip(asdict(source), known.identity, source.identity, strict=True) if was != now]
    told = ", ".join(f"{name} is {getattr(source, name)!r}, was {getattr(known, name)!r}" for name in differing)
    raise Configuration(
        f"the ledger belongs to another bucket: {told}",
        hint="check S3_BUCKET, S3_PREFIX and S3_ENDPOINT_URL; if it has moved, run once: bookreport run-hour --new-source",
    )


def take_source(transaction: Transaction, source: Source) -> None:
    """Record that the ledger belongs to `source` from now on, whatever it belonged to before."""
    transaction.run("ledger/record_source", **asdict(source))


def lock(transaction: Transaction, hour: Hour) -> None:
    """Lock the hour until the transaction ends, before its state is read and changed; raises Locked if it is held."""
    try:
        transaction.lock(hour.instant, patience=AT_ONCE)
    except Locked as error:
        raise Locked(f"{hour} is locked by another session", hint=error.hint, hour=hour.instant, holder=error.holder) from error


def entry(transaction: Transaction, hour: Hour) -> Entry | None:
    """Return what is known about `hour`; None if it was never tried."""
    row = transaction.row("ledger/entry", hour=hour.start)
    return _entry(hour, row) if row else None


def newest_loaded(transaction: Transaction, earliest: Hour = EARLIEST) -> Hour | None:
    """Return the newest loaded hour that is believable (`hours.believable`, by Postgres's clock); None if there is none."""
    row = transaction.row("ledger/newest_loaded", earliest=earliest.start)
    return _hour(row.hour) if row and row.hour else None


def lookback_start(transaction: Transaction, lookback: timedelta, earliest: Hour = EARLIEST) -> Hour | None:
    """Return the newest loaded hour minus `lookback`; None if no hour is loaded."""
    newest = newest_loaded(transaction, earliest)
    if newest is None:
        return None
    return Hour(newest.start - min(lookback, newest.start - FIRST.start))


def is_loaded_lately(transaction: Transaction, within: timedelta) -> bool:
    """Return whether any hour was loaded, or reloaded, within that time before now, by Postgres's clock."""
    return bool(transaction.one("ledger/loaded_lately", seconds=int(within.total_seconds())).is_so)


def is_looked_through(transaction: Transaction, source: Source) -> bool:
    """Return whether a run has searched the whole of this bucket, so that the next only needs to search its end."""
    known = transaction.row("ledger/source")
    return known is not None and known.looked_through_at is not None and _as_source(known).identity == source.identity


def record_looked_through(transaction: Transaction, source: Source, oldest_open: Hour | None) -> None:
    """Record that a run has searched the whole bucket; `oldest_open` is the oldest hour there without a marker.

    Writes nothing if the ledger belongs to another bucket by now.
    """
    known = _source(transaction)
    if known is not None and known.identity == source.identity:
        transaction.run("ledger/record_looked_through", **asdict(known), oldest_open=oldest_open.start if oldest_open else None)


@dataclass(frozen=True)
class SetAside:
    """A record set aside from an hour's file: where it starts, why, and its text (None once pruned)."""

    hour: Hour
    key: str
    line_number: int
    reason: str
    raw: str | None


def rejects(database: Database, hour: Hour | None, limit: int) -> tuple[list[SetAside], int]:
    """Return the first `limit` rejects, of `hour` or of all hours, newest hour first; and how many there are."""
    of = {"hour": hour.start if hour else None}
    with database.transaction(snapshot=True) as transaction:
        found = transaction.rows("ledger/rejects", **of, limit=limit)
        total = transaction.one("ledger/count_rejects", **of).rejects if len(found) == limit else len(found)
    return [SetAside(_hour(row.hour), row.key, row.line_number, row.reason, row.raw) for row in found], total


def twins(transaction: Transaction, hour: Hour) -> list[str]:
    """Return a sentence for each file of `hour` that has the same size and ETag as another file of its day."""
    return [
        f"{hour} {row.key} is the same as {_hour(row.other_hour)} {row.other_key}: probably one file under two names"
        for row in transaction.rows("ledger/twins", hour=hour.start)
    ]


def far_off(transaction: Transaction, within: Span) -> tuple[Span, ...]:
    """Return the loaded hours that are not believable (not `within`), as runs of them, oldest first."""
    found = transaction.rows("ledger/far_off_hours", since=within.since.start, until=within.until.start)
    return tuple(Span(_hour(row.since), _hour(row.until)) for row in found)


def settled_hours(transaction: Transaction, since: Hour | None = None) -> set[Hour]:
    """Return the hours from `since` on (None: all) that need no load: loaded already, or given up."""
    return {_hour(row.hour) for row in transaction.rows("ledger/settled_hours", since=since.start if since else None)}


@dataclass(frozen=True)
class Failure:
    """A failed hour, with the error of its last attempt."""

    hour: Hour
    attempts: int
    error: str


def failures(transaction: Transaction) -> list[Failure]:
    """Return every failed hour with its error, however old, oldest first."""
    return [Failure(_hour(row.hour), row.attempts, row.error) for row in transaction.rows("ledger/failures")]


def skipped_hours(transaction: Transaction, since: Hour, until: Hour) -> list[tuple[Hour, str]]:
    """Return the hours from `since` to `until` (exclusive) that were given up, each with its reason, oldest first."""
    found = transaction.rows("ledger/skipped_hours", since=since.start, until=until.start)
    return [(_hour(row.hour), row.reason) for row in found]


def failed_reloads(transaction: Transaction, since: Hour, until: Hour) -> list[Failure]:
    """Return the loaded hours from `since` to `until` (exclusive) whose last reload failed, with its error, oldest first."""
    found = transaction.rows("ledger/failed_reloads", since=since.start, until=until.start)
    return [Failure(_hour(row.hour), row.attempts, row.error) for row in found]


def skip(database: Database, span: Span, reason: str, *, within: timedelta | None = None) -> None:
    """Give all hours of `span` up, or none. `within`: how far they may lie before or after all that were tried, if any were.

    Raises Locked if a run is loading one, Usage if one lies too far off or in the future, or has nothing to give up.
    """
    with database.transaction() as transaction:
        first, last = span.since, span.until + -1
        if last >= believable(EARLIEST, [transaction.now()]).until:
            raise Usage(f"{last} is in the future", hint="skip an hour once it should have come", hour=last.instant)
        if within is not None:
            _require_near(transaction, first, within)
            _require_near(transaction, last, within)
        for hour in span:
            _skip(transaction, hour, reason)


def _skip(transaction: Transaction, hour: Hour, reason: str) -> None:
    lock(transaction, hour)
    known = entry(transaction, hour)
    if known is not None and known.status in (HourState.LOADED, HourState.PRUNED):
        raise Usage(
            f"{hour} is {known.status}; only hours that failed or never arrived can be skipped; nothing was skipped",
            hour=hour.instant,
        )
    transaction.run("ledger/record_skipped", hour=hour.start, reason=reason)


def _require_near(transaction: Transaction, hour: Hour, within: timedelta) -> None:
    tried = transaction.one("ledger/tried")
    if tried.oldest is not None and (tried.oldest - hour.start > within or hour.start - tried.newest > within):
        raise Usage(
            f"{hour} is far from all hours tried so far, {_hour(tried.oldest)} to {_hour(tried.newest)}; nothing was skipped",
            hint="is it a typing error? If it is meant, add --far",
            hour=hour.instant,
        )


def unskip(database: Database, hour: Hour) -> HourState | None:
    """Take back that `hour` was given up, and return its state: failed, or None if it was never tried.

    Raises Locked if a run is loading it, Usage if it is not skipped.
    """
    with database.transaction() as transaction:
        lock(transaction, hour)
        known = entry(transaction, hour)
        if known is None or known.status is not HourState.SKIPPED:
            raise Usage(f"{hour} is not skipped", hint="see which hours are: bookreport status", hour=hour.instant)
        transaction.run("ledger/forget_untried", hour=hour.start)
        transaction.run("ledger/record_unskipped", hour=hour.start)
        before = entry(transaction, hour)
    return before.status if before else None


def record_load(
    transaction: Transaction,
    attempt: Attempt,
    source: Source,
    marker_at: datetime,
    files: Sequence[FileLoad],
    before: Total | None,
    after: Sums,
) -> Entry:
    """Record that the hour is loaded, in the transaction that loads it; `before` is None unless it was a reload.

    A ledger that belongs to no bucket yet belongs to `source` from then on. Raises Configuration if it belongs to another.
    """
    hour = attempt.hour
    total_bytes = sum(load.file.size for load in files)
    rejected = sum(load.rows_rejected for load in files)
    counts = {"files": len(files), "bytes": total_bytes, "rows_loaded": after.rows, "rows_rejected": rejected}
    load = transaction.one(
        "ledger/insert_load",
        **_attempt(attempt),
        **counts,
        outcome=Ending.RELOADED if before else Ending.LOADED,
        books_sold_before=before.books_sold if before else None,
        books_sold=after.books_sold,
        sale_value_before=before.sale_value if before else None,
        sale_value=after.sale_value,
        error=None,
    )
    recorded = transaction.one(
        "ledger/record_loaded",
        **counts,
        hour=hour.start,
        rows_unmatched=after.rows_unmatched,
        fingerprint=fingerprint([load.file for load in files]),
        marker_at=marker_at,
        load_id=load.load_id,
    )
    if files:
        transaction.run("ledger/insert_file", *(_file(hour, load) for load in files))
    # With two first runs, the second waits here until the first has committed, then sees which bucket the ledger belongs to.
    transaction.run("ledger/first_source", **asdict(source))
    require_source(transaction, source)
    return _entry(hour, recorded)


def _file(hour: Hour, load: FileLoad) -> dict[str, object]:
    return {
        "hour": hour.start,
        "key": load.file.key,
        "etag": load.file.etag,
        "size": load.file.size,
        "last_modified": load.file.last_modified,
        "columns": json.dumps(load.reading.as_json() if load.reading else {}),
        "rows_loaded": load.rows_loaded,
        "rows_rejected": load.rows_rejected,
    }


def remove_files(transaction: Transaction, hour: Hour) -> None:
    """Remove the files of an earlier load, for the load that replaces it."""
    transaction.run("ledger/delete_files", hour=hour.start)


def record_failure(
    database: Database, source: Source, attempt: Attempt, error: BookreportError, settled_as: Entry | None
) -> int:
    """Record that an attempt failed, in its own transaction; return the number of attempts so far.

    The history always records it. The hour's entry, written under the hour's lock, records it only if the hour is still
    what the attempt began with: failed, never tried, or `settled_as`. What another run has made of it since is newer, and
    is left alone. A loaded hour stays loaded, with the error beside it; for a failed one, the first rejects are kept.
    Raises Configuration if the ledger belongs to another bucket.
    """
    hour = attempt.hour
    try:
        with database.transaction() as transaction:
            transaction.lock(hour.instant)
            now = entry(transaction, hour)
            _add_failure(transaction, source, attempt, error)
            if now is not None and now.is_settled and not now.is_as(settled_as):
                return now.attempts
            return _mark_failed(transaction, hour, error)
    except Locked:
        # Whoever holds the hour will record what became of it.
        with database.transaction() as transaction:
            _add_failure(transaction, source, attempt, error)
        return 0


def _add_failure(transaction: Transaction, source: Source, attempt: Attempt, error: BookreportError) -> None:
    require_source(transaction, source)
    nothing = dict.fromkeys(
        ("files", "bytes", "rows_loaded", "rows_rejected", "books_sold_before", "books_sold", "sale_value_before", "sale_value")
    )
    transaction.row("ledger/insert_load", **_attempt(attempt), **nothing, outcome=Ending.FAILED, error=error.message)


def _mark_failed(transaction: Transaction, hour: Hour, error: BookreportError) -> int:
    recorded = transaction.one("ledger/record_failed", hour=hour.start, error=error.message)
    if recorded.status == HourState.FAILED:
        purchases.remove_rejects(transaction, hour)
        batch = [reject | {"hour": hour.start} for reject in error.rejects] if isinstance(error, TooManyRejects) else []
        if batch:
            transaction.run("ledger/insert_reject", *batch)
    return int(recorded.attempts)


def load_of_run(transaction: Transaction, run_id: UUID, hour: Hour) -> bool:
    """Return whether this run's load of the hour was committed."""
    return transaction.row("ledger/load_of_run", run_id=str(run_id), hour=hour.start) is not None


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "run_id": str(attempt.run_id),
        "hour": attempt.hour.start,
        "started_at": attempt.started_at,
        "seconds": json.dumps(attempt.seconds),
        "version": __version__,
    }


def _source(transaction: Transaction) -> Source | None:
    known = transaction.row("ledger/source")
    return _as_source(known) if known else None


def _as_source(row: Any) -> Source:
    return Source(row.endpoint, row.bucket, row.prefix)


def _hour(instant: datetime) -> Hour:
    return Hour(instant)


def _entry(hour: Hour, row: Any) -> Entry:
    return Entry(hour, **row._asdict() | {"status": HourState(row.status)})
