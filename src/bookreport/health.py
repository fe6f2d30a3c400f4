"""How things stand: what is loaded and what is not, drift of the bucket, and accounts that don't agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bookreport import ledger
from bookreport.database import Database
from bookreport.discovery import discover
from bookreport.drift import recorded_files
from bookreport.errors import BadData
from bookreport.files import Difference, compare
from bookreport.hours import FIRST, LAST, Hour
from bookreport.source import Bucket


@dataclass(frozen=True)
class Verification:
    """What `verify` found in that many loaded hours."""

    hours: int
    differences: tuple[Difference, ...]


def verify(database: Database, bucket: Bucket, since: Hour | None = None, until: Hour | None = None) -> Verification:
    """Compare the loaded hours from `since` to `until` (not included) with the bucket and with the tables; write nothing.

    What the tables hold of hours that are not loaded is a difference too.
    """
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


@dataclass(frozen=True)
class Status:
    """The hours of a span by their state; `failed` are all there are, `missing` are neither in the ledger nor in the bucket.

    The bucket is looked at as a run does. Drift is not looked for.
    """

    newest_loaded: Hour | None
    loaded: int
    pruned: int
    failed: tuple[ledger.Failure, ...]
    skipped: tuple[tuple[Hour, str], ...]
    pending: tuple[Hour, ...]
    overdue: tuple[Hour, ...]
    missing: tuple[Hour, ...]
    rejected_rows: int
    rows_unmatched: int


def status(
    database: Database, bucket: Bucket, since: Hour | None = None, until: Hour | None = None, *, lookback: timedelta
) -> Status:
    """Return how the hours from `since` to `until` (not included) stand."""
    looked = discover(database, bucket, since=since, until=until, lookback=lookback)
    overdue = tuple(hour for hour in looked.open if hour <= Hour.last() and _has_files(bucket, hour))
    seen = {*looked.pending, *overdue}
    bounds = {"since": (since or FIRST).start, "until": (until or LAST).start}
    with database.transaction(snapshot=True) as transaction:
        counts = transaction.one("ledger_counts", **bounds)
        oldest_seen, newest_seen = (min(seen).start, max(seen).start) if seen else (None, None)
        gaps = transaction.rows("gaps", **bounds, oldest_seen=oldest_seen, newest_seen=newest_seen)
        failed = ledger.failures(transaction)
        return Status(
            newest_loaded=ledger.newest_loaded(transaction),
            loaded=counts.loaded,
            pruned=counts.pruned,
            failed=tuple(failed),
            skipped=tuple((Hour(row.hour), row.reason) for row in transaction.rows("skipped_hours", **bounds)),
            pending=tuple(hour for hour in looked.pending if hour not in {failure.hour for failure in failed}),
            overdue=overdue,
            missing=tuple(hour for row in gaps if (hour := Hour(row.hour)) not in seen),
            rejected_rows=counts.rejected_rows,
            rows_unmatched=counts.rows_unmatched,
        )


def _has_files(bucket: Bucket, hour: Hour) -> bool:
    # Some stores keep the folder of files that were removed.
    try:
        return bool(bucket.files(hour))
    except BadData:
        return True
