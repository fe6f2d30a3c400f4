"""Unusual hours: loaded in full, but with far fewer or far more rows than that hour of the week usually has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bookreport.database import Transaction
from bookreport.hours import Hour

WEEKS, LEAST_WEEKS = 8, 4
"""How many weeks an hour is compared with, and how many of them must have that hour of the week."""

LEAST_ROWS = 100
"""Rows that an hour must usually have to be judged: of a few sales a night, half is no news."""

FAR = 1.5
"""How many times below the lower quartile of what was there before, or above the upper one, an hour's rows are unusual."""

SAME_EPISODE = timedelta(hours=24)
"""Unusual hours no further apart than this are of one episode: on a holiday, some hours are nearly as usual."""


@dataclass(frozen=True)
class Unusual:
    """An hour whose `rows` are far from the `usual` number: the median of that hour of the week in the weeks before."""

    hour: Hour
    rows: int
    usual: int
    loaded_at: datetime

    @property
    def is_few(self) -> bool:
        return self.rows < self.usual


def find(transaction: Transaction, since: Hour, until: Hour) -> tuple[Unusual, ...]:
    """Return the unusual hours from `since` to `until` (exclusive), oldest first, by what was usual at their time.

    Only the ledger is read, of the span and the weeks before it. Hours without enough history are not judged.
    """
    found = transaction.rows(
        "unusual/hours",
        since=since.start,
        until=until.start,
        weeks=WEEKS,
        least_weeks=LEAST_WEEKS,
        least_rows=LEAST_ROWS,
        far=FAR,
    )
    return tuple(Unusual(Hour(row.hour), row.rows, row.usual, row.loaded_at) for row in found)


def first_of_episodes(found: Iterable[Unusual]) -> Iterator[Unusual]:
    """Yield those of the ascending hours that begin an episode: the first in a while with too few rows, or too many."""
    last: dict[bool, Hour] = {}
    for each in found:
        before = last.get(each.is_few)
        if before is None or each.hour.start - before.start > SAME_EPISODE:
            yield each
        last[each.is_few] = each.hour
