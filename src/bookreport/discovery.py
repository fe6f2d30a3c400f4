"""Discovery: the hours of the bucket that are neither loaded nor given up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bookreport import ledger
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.errors import NotReady
from bookreport.hours import EARLIEST, FIRST, LAST, LOOKBACK, Hour, Span, believable
from bookreport.partitions import FarOff

MOST_SKIPPED = 100
"""Skipped hours whose marker is looked for, the newest of them: each costs a request."""


@dataclass(frozen=True)
class Discovery:
    """What was found in the bucket, oldest first: `pending` hours are complete, `open` have a partition but no marker.

    `looked_from`: the hour from which on it was looked for them, None where the bucket begins; `whole`: all of it was looked
    at. `within`: the hours that may be; what lies out of that is in `far_off`, and left alone. `unlooked`, where it was
    asked for: hours before `looked_from` that have a partition and that the ledger does not know.
    """

    pending: tuple[Hour, ...]
    open: tuple[Hour, ...]
    looked_from: Hour | None
    whole: bool
    within: Span
    far_off: tuple[FarOff, ...]
    unlooked: tuple[Hour, ...]


def discover(
    database: Database,
    bucket: Bucket,
    *,
    since: Hour | None = None,
    until: Hour | None = None,
    everything: bool = False,
    lookback: timedelta = LOOKBACK,
    earliest: Hour = EARLIEST,
    count_unlooked: bool = False,
) -> Discovery:
    """Look for hours to load; what it costs depends on the span alone, not on the history, unless `count_unlooked`.

    Without a span: from the newest loaded hour less `lookback` on, and every failed hour however old; the whole bucket
    when `everything` is asked for, until a run has looked through it once, or when nothing is loaded. Counted from the
    data; the clocks say which hours can't be.
    """
    within = time_of(database, bucket, earliest)
    with database.transaction() as transaction:
        failed = {failure.hour for failure in ledger.failures(transaction) if failure.hour in within}
        spanned = since is not None or until is not None
        if not spanned and not everything and ledger.is_looked_through(transaction, bucket.identity):
            since = ledger.lookback_start(transaction, lookback, earliest)
        settled = ledger.settled_hours(transaction, None if count_unlooked else since)
    found = bucket.hours(None if count_unlooked and not spanned else since, until, settled, within)
    looked = [hour for hour in found.hours if since is None or hour >= since]
    tried = looked if spanned else {*looked, *failed}
    pending = [hour for hour in sorted(tried) if bucket.marker(hour)]
    return Discovery(
        pending=tuple(pending),
        open=tuple(hour for hour in looked if hour not in set(pending)),
        looked_from=since,
        whole=since is None and until is None,
        within=within,
        far_off=tuple(found.far_off),
        unlooked=tuple(hour for hour in found.hours if since is not None and hour < since and hour not in failed),
    )


def time_of(database: Database, bucket: Bucket, earliest: Hour = EARLIEST) -> Span:
    """Return the hours that may be, by the clocks of Postgres and of the store; this machine's is not asked."""
    with database.transaction() as transaction:
        now = transaction.now()
    return believable(earliest, (now, bucket.clock()))


def require_believable(hours: Iterable[Hour], within: Span) -> None:
    """Raise NotReady for the first hour that was asked for and lies out of time."""
    for hour in hours:
        if hour not in within:
            _refuse(f"{hour} lies", hour, within)


def require_span_believable(since: Hour | None, until: Hour | None, within: Span) -> None:
    """Raise NotReady for a span that lies out of time as a whole."""
    if (since or FIRST) >= within.until:
        _refuse(f"all hours from {since} on lie", since, within)
    if (until or LAST) <= within.since:
        _refuse(f"all hours before {until} lie", None, within)


def _refuse(what: str, hour: Hour | None, within: Span) -> None:
    late = hour is not None and hour >= within.until
    why, hint = (
        ("after now", "is it a typing error? It is loaded when its time comes, by the clocks of Postgres and S3")
        if late
        else (f"before {within.since.start.year}", "is it a typing error? If the shop is that old, set BOOKREPORT_FIRST_YEAR")
    )
    raise NotReady(f"{what} {why}; nothing was loaded", hint=hint, hour=hour.instant if hour else None)


def come_after_all(bucket: Bucket, skipped: Sequence[Hour]) -> tuple[Hour, ...]:
    """Return those of the `skipped` hours, oldest first, that are complete by now; the newest MOST_SKIPPED are looked at."""
    return tuple(hour for hour in skipped[-MOST_SKIPPED:] if bucket.marker(hour))
