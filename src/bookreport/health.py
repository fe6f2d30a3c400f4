"""The state of things: what is loaded and what is not, drift of the bucket, and figures that don't agree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice, pairwise

from bookreport import days, ledger, unusual
from bookreport.bucket import Bucket
from bookreport.database import Database, Transaction
from bookreport.discovery import Discovery, come_after_all, discover
from bookreport.drift import recorded_files
from bookreport.errors import BadData
from bookreport.files import Difference, File, compare
from bookreport.hours import EARLIEST, FIRST, LAST, Hour, Slice, Span
from bookreport.partitions import FarOff
from bookreport.unusual import Unusual

MOST_MISSING = 10_000
"""Missing hours that are listed one by one; the gaps cover all of them."""


@dataclass(frozen=True)
class Verification:
    """The differences that `verify` found in that many loaded hours."""

    hours: int
    differences: tuple[Difference, ...]
    part: Slice | None = None

    @property
    def changed(self) -> list[Hour]:
        """The hours that `ingest --changed` reloads: they have other files, not only other ETags, and their marker."""
        return self._with_marker(lambda each: each.is_in_bucket and not each.same_size)

    @property
    def otherwise_changed(self) -> list[Hour]:
        """The other hours that can be reloaded, by their names alone."""
        return sorted({*self._with_marker(lambda _: True)} - {*self.changed})

    def _with_marker(self, is_meant: Callable[[Difference], bool]) -> list[Hour]:
        without = {each.hour for each in self.differences if each.kind == "marker"}
        return sorted({each.hour for each in self.differences if is_meant(each)} - without)


def verify(
    database: Database,
    bucket: Bucket,
    since: Hour | None = None,
    until: Hour | None = None,
    *,
    part: Slice | None = None,
    follow: Callable[[Sequence[Span]], Iterable[Span]] = iter,
) -> Verification:
    """Compare the loaded hours from `since` to `until` (exclusive) with the bucket and with the tables; writes nothing.

    Anything that the tables hold for hours that are not loaded is a difference too. `part`: only the days of this slice.
    One day is compared at a time; `follow` passes the days on, as a progress bar does.
    """
    hours, found = 0, []
    for day in follow(_days(database, since or FIRST, until or LAST, part)):
        with database.transaction(snapshot=True) as transaction:
            recorded = recorded_files(transaction, day.since, day.until)
            accounts = transaction.rows("health/accounts", since=day.since.start, until=day.until.start)
            regrouped = transaction.rows("health/regrouped", since=day.since.start, until=day.until.start)
            of_day = list(days.differences(transaction, day.since, day.until))
        hours += len(recorded)
        found += [
            Difference(Hour(row.hour), row.kind, None, f"{row.what}: {row.expected} in the ledger, {row.found} in the tables")
            for row in accounts
        ]
        unlike = {row.hour for row in accounts if row.kind == "sums"}
        found += [
            Difference(Hour(row.hour), "sums", None, "the sums by format and language are not those of the catalogue")
            for row in regrouped
            if row.hour not in unlike
        ]
        found += [Difference(each, "sums", None, told) for each, told in of_day]
        for hour, files in recorded.items():
            found += _compared(bucket, hour, files)
    return Verification(hours, tuple(sorted(found, key=lambda difference: difference.hour)), part)


def _days(database: Database, since: Hour, until: Hour, part: Slice | None) -> list[Span]:
    """Return the days from `since` to `until` that the ledger knows, each with those before it that it does not know.

    Together they are the whole span, where rows of unknown hours may be; of `part`, those of the days in it.
    """
    with database.transaction(snapshot=True) as transaction:
        known = sorted(Hour(row.day) for row in transaction.rows("health/days", since=since.start, until=until.start))
    ends = [since, *(day + 24 for day in known[:-1]), until]
    days = zip(known or [since], pairwise(ends), strict=True)
    return [Span(*bounds) for day, bounds in days if bounds[0] < bounds[1] and (part is None or day in part)]


def _compared(bucket: Bucket, hour: Hour, recorded: list[File]) -> list[Difference]:
    has_marker, listed = bucket.contents(hour)
    found = [] if has_marker else [Difference(hour, "marker", None, "the marker is gone")]
    if isinstance(listed, BadData):
        return [*found, Difference(hour, "added", None, listed.message)]
    return found + compare(hour, recorded, listed)


@dataclass(frozen=True)
class Status:
    """The hours of a span by state; `failed` are all there are, `gaps` are neither in the ledger nor in the bucket.

    `failed_reloads` are loaded hours whose last reload failed; their earlier load counts. The bucket is searched as a run does,
    starting at `looked_from` (None: all of it); `unlooked` counts hours before that which have a partition but are not in the
    ledger. `come` are skipped hours that are complete after all. `far_off` is what is not believable in the bucket,
    `far_off_loaded` are such hours of the ledger, which no other figure counts. `stray` is what may be sales but is in no hour.
    `unusual` hours have far fewer or more rows than usual; they and `rows_unmatched`, which uses the current catalogue, are for
    the span or else for the hours searched. `marker` is what overdue hours lack. Drift is not checked.
    """

    newest_loaded: Hour | None = None
    loaded: int = 0
    pruned: int = 0
    failed: tuple[ledger.Failure, ...] = ()
    failed_reloads: tuple[ledger.Failure, ...] = ()
    skipped: tuple[tuple[Hour, str], ...] = ()
    come: tuple[Hour, ...] = ()
    pending: tuple[Hour, ...] = ()
    overdue: tuple[Hour, ...] = ()
    gaps: tuple[Span, ...] = ()
    looked_from: Hour | None = None
    unlooked: int = 0
    far_off: tuple[FarOff, ...] = ()
    far_off_loaded: tuple[Span, ...] = ()
    stray: tuple[str, ...] = ()
    unusual: tuple[Unusual, ...] = ()
    rejected_rows: int = 0
    rows_unmatched: int = 0
    marker: str = "FULL"

    @property
    def missing_hours(self) -> int:
        """How many hours the gaps contain."""
        return sum(map(len, self.gaps))

    @property
    def missing(self) -> tuple[Hour, ...]:
        """The hours of the gaps, oldest first; if there are more than MOST_MISSING, only the newest."""
        newest_first = (hour for gap in reversed(self.gaps) for hour in reversed(gap))
        return tuple(reversed(list(islice(newest_first, MOST_MISSING))))


def status(
    database: Database,
    bucket: Bucket,
    since: Hour | None = None,
    until: Hour | None = None,
    *,
    lookback: timedelta,
    earliest: Hour = EARLIEST,
    at_length: bool = True,
    thorough: bool = False,
) -> Status:
    """Return the state of the hours from `since` to `until` (exclusive).

    `at_length`: include what costs more the more there is: hours before the look-back, skipped ones that came, unusual ones,
    unmatched rows. `thorough`: as in `discover`.
    """
    looked = discover(
        database,
        bucket,
        since=since,
        until=until,
        lookback=lookback,
        earliest=earliest,
        count_unlooked=at_length,
        thorough=thorough,
    )
    overdue = _overdue(bucket, looked)
    within = looked.within
    span = max(since or FIRST, within.since), min(until or LAST, within.until)
    bounds = {"since": span[0].start, "until": span[1].start}
    searched = max(looked.looked_from or FIRST, within.since), span[1]
    seen, unlooked = ([hour.start for hour in hours] for hours in ({*looked.pending, *overdue}, looked.unlooked))
    with database.transaction(snapshot=True) as transaction:
        counts = transaction.one("health/counts", **bounds)
        gaps = transaction.rows("health/gaps", **bounds, seen=seen, unlooked=unlooked)
        failed = ledger.failures(transaction)
        skipped = tuple(ledger.skipped_hours(transaction, *span))
        found = Status(
            newest_loaded=ledger.newest_loaded(transaction, earliest),
            loaded=counts.loaded,
            pruned=counts.pruned,
            failed=tuple(failed),
            failed_reloads=tuple(ledger.failed_reloads(transaction, *span)),
            skipped=skipped,
            pending=tuple(sorted(set(looked.pending) - {failure.hour for failure in failed})),
            overdue=overdue,
            marker=bucket.marker_name,
            gaps=tuple(Span(Hour(row.since), Hour(row.until)) for row in gaps),
            looked_from=looked.looked_from,
            unlooked=len(unlooked),
            far_off=looked.far_off,
            far_off_loaded=ledger.far_off(transaction, within),
            stray=looked.stray,
            unusual=unusual.find(transaction, *searched) if at_length else (),
            rejected_rows=counts.rejected_rows,
            rows_unmatched=_unmatched(transaction, *searched) if at_length else 0,
        )
    # Query the bucket after the snapshot, which holds on to rows that others delete.
    come = come_after_all(bucket, [hour for hour, _ in skipped]) if at_length else ()
    return replace(found, come=come)


def _unmatched(transaction: Transaction, since: Hour, until: Hour) -> int:
    return int(transaction.one("health/unmatched", since=since.start, until=until.start).rows_unmatched)


def _overdue(bucket: Bucket, looked: Discovery) -> tuple[Hour, ...]:
    return tuple(hour for hour in looked.open if hour <= Hour.last() and _has_files(bucket, hour))


def _has_files(bucket: Bucket, hour: Hour) -> bool:
    # Some stores keep a folder after its files are removed.
    try:
        return bool(bucket.files(hour))
    except BadData:
        return True
