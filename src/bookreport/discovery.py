"""Discovery: the hours of the bucket that are neither loaded nor given up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bookreport import ledger
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.errors import NotReady
from bookreport.hours import EARLIEST, FIRST, LAST, LOOKBACK, Hour, Span, believable
from bookreport.partitions import FarOff

MOST_SKIPPED = 100
"""Maximum number of skipped hours, newest first, whose marker is checked: each costs a request."""


@dataclass(frozen=True)
class Discovery:
    """What the search of the bucket found, oldest first: `pending` hours are complete, `open` ones have no marker yet.

    `looked_from`: the hour where the search started, None if at the beginning of the bucket; `whole`: it covered the whole
    bucket. `within`: the believable hours; what is outside them is in `far_off`, and left alone. `stray` may be sales, but
    is in no hour. `unlooked`, if requested: hours before `looked_from` that have a partition but are not in the ledger.
    `empty`: neither the ledger nor the whole bucket has an hour.
    """

    pending: tuple[Hour, ...]
    open: tuple[Hour, ...]
    looked_from: Hour | None
    whole: bool
    within: Span
    far_off: tuple[FarOff, ...]
    stray: tuple[str, ...]
    unlooked: tuple[Hour, ...]
    empty: bool


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
    watch: Callable[[Sequence[Hour]], Iterable[Hour]] = iter,
    thorough: bool = False,
) -> Discovery:
    """Search for hours to load; the cost depends only on the span, not on the history, unless `count_unlooked`.

    Without a span, search from `lookback` before the newest loaded hour, and include every failed hour, however old. Search
    the whole bucket if `everything` is set, until a run has searched it once, or if nothing is loaded. The search starts
    from the data, not the clock; the clocks only say which hours are believable. `thorough`: look for what is stray in the
    last week's days too that are loaded entirely, which a run does not enter. `watch` passes on the hours whose marker is
    looked for, as a progress bar does.
    """
    within = time_of(database, bucket, earliest)
    with database.transaction(snapshot=True) as transaction:
        failed = {failure.hour for failure in ledger.failures(transaction) if failure.hour in within}
        spanned = since is not None or until is not None
        if not spanned and not everything and ledger.is_looked_through(transaction, bucket.identity):
            since = ledger.lookback_start(transaction, lookback, earliest)
        settled = ledger.settled_hours(transaction, None if count_unlooked else since)
        entered = ledger.lookback_start(transaction, LOOKBACK, earliest) if thorough else None
    known = settled if entered is None else {hour for hour in settled if hour < entered}
    found = bucket.hours(None if count_unlooked and not spanned else since, until, known, within)
    unsettled = [hour for hour in found.hours if hour not in settled]
    looked = [hour for hour in unsettled if since is None or hour >= since]
    tried = looked if spanned else {*looked, *failed}
    pending = [hour for hour in watch(sorted(tried)) if bucket.marker(hour)]
    return Discovery(
        pending=tuple(pending),
        open=tuple(hour for hour in looked if hour not in set(pending)),
        looked_from=since,
        whole=since is None and until is None,
        within=within,
        far_off=tuple(found.far_off),
        stray=tuple(found.stray),
        unlooked=tuple(hour for hour in unsettled if since is not None and hour < since and hour not in failed),
        empty=since is None and until is None and not (settled or failed or found.hours),
    )


def time_of(database: Database, bucket: Bucket, earliest: Hour = EARLIEST) -> Span:
    """Return the believable hours, by the clocks of Postgres and of the store; this machine's is not consulted."""
    with database.transaction(snapshot=True) as transaction:
        now = transaction.now()
    return believable(earliest, (now, bucket.clock()))


def require_believable(hours: Iterable[Hour], within: Span) -> None:
    """Raise NotReady for the first requested hour that is not believable."""
    for hour in hours:
        if hour not in within:
            _refuse(f"{hour} lies", hour, within)


def require_span_believable(since: Hour | None, until: Hour | None, within: Span) -> None:
    """Raise NotReady if no hour of the span is believable."""
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
    """Return the `skipped` hours that are complete by now, oldest first; only the newest MOST_SKIPPED are checked."""
    return tuple(hour for hour in skipped[-MOST_SKIPPED:] if bucket.marker(hour))
