"""Discovery: the hours of the bucket that are neither loaded nor given up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bookreport import ledger
from bookreport.database import Database
from bookreport.hours import Hour
from bookreport.source import Bucket


@dataclass(frozen=True)
class Discovery:
    """Hours to load, oldest first: `pending` are complete, `open` have a partition but no marker."""

    pending: tuple[Hour, ...]
    open: tuple[Hour, ...]


def discover(
    database: Database,
    bucket: Bucket,
    *,
    since: Hour | None = None,
    until: Hour | None = None,
    everything: bool = False,
    lookback: timedelta = timedelta(days=7),
) -> Discovery:
    """Look for hours to load; what it costs depends on the span alone, not on the history.

    Without a span: from the newest loaded hour less `lookback` on, and every failed hour however old; the whole bucket
    when `everything` is asked for or nothing is loaded yet. Counted from the data, never from the clock.
    """
    with database.transaction() as transaction:
        failed: list[Hour] = []
        if since is None and until is None and not everything:
            since = ledger.lookback_start(transaction, lookback)
            failed = [failure.hour for failure in ledger.failures(transaction)]
        settled = ledger.settled_hours(transaction, since)
    found = bucket.hours(since, until, settled)
    pending = [hour for hour in sorted({*found, *failed}) if bucket.marker(hour)]
    complete = set(pending)
    return Discovery(tuple(pending), tuple(hour for hour in found if hour not in complete))
