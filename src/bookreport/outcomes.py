"""Outcomes: the state of an hour in the ledger, and how an attempt to load it ended."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from bookreport.errors import BookreportError
from bookreport.hours import Hour


class HourState(StrEnum):
    """The state of an hour in the ledger; an hour that is not in it was never tried."""

    LOADED = "loaded"
    FAILED = "failed"
    SKIPPED = "skipped"
    PRUNED = "pruned"


class Ending(StrEnum):
    """How a run ended for an hour; `would-…` is what a dry run reports."""

    LOADED = "loaded"
    RELOADED = "reloaded"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    PRUNED = "pruned"
    FAILED = "failed"
    LOCKED = "locked"
    NOT_READY = "not-ready"
    WOULD_LOAD = "would-load"
    WOULD_RELOAD = "would-reload"


@dataclass(frozen=True)
class Entry:
    """What the ledger knows about one hour: `status` is loaded, failed, skipped or pruned; counts are of the hour as loaded."""

    hour: Hour
    status: HourState
    attempts: int
    files: int
    bytes: int
    rows_loaded: int
    rows_rejected: int
    rows_unmatched: int
    load_id: int | None

    @property
    def is_loaded(self) -> bool:
        return self.status is HourState.LOADED

    @property
    def is_settled(self) -> bool:
        """Whether no run loads it unless asked to: it is loaded, or was given up."""
        return self.status is not HourState.FAILED

    def is_as(self, earlier: Entry | None) -> bool:
        """Whether no run has loaded, pruned or skipped the hour since it was read as `earlier`."""
        return earlier is not None and (self.status, self.load_id) == (earlier.status, earlier.load_id)


@dataclass(frozen=True)
class Total:
    """What an hour adds up to."""

    rows: int
    books_sold: int
    sale_value: Decimal


@dataclass(frozen=True)
class Outcome:
    """How the load of one hour ended.

    `outcome`: loaded, reloaded, unchanged (already loaded), skipped or pruned (given up since it was chosen, and left
    alone), failed, locked or not-ready; `attempt`: the number of attempts, including this one; counts are of the hour as it
    is now in the ledger; `seconds` is this attempt's wall time. Of a reloaded hour, `before` and `after` are what it added up
    to. `still_loaded`: it was to be reloaded, failed, and is as it was before.
    """

    hour: Hour
    outcome: Ending
    attempt: int = 0
    files: int = 0
    bytes: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_unmatched: int = 0
    seconds: float = 0.0
    error: BookreportError | None = None
    before: Total | None = None
    after: Total | None = None
    still_loaded: bool = False

    @property
    def is_loaded(self) -> bool:
        """Whether the hour is loaded now, by this run or an earlier one."""
        return self.outcome in (Ending.LOADED, Ending.RELOADED, Ending.UNCHANGED)

    @property
    def is_settled(self) -> bool:
        """Whether the ledger knows how the hour ended; a locked or open one, or a failure without a record, it does not."""
        return self.outcome not in (Ending.LOCKED, Ending.NOT_READY) and (self.error is None or self.attempt > 0)

    @property
    def stops_run(self) -> bool:
        """Whether no further hour is begun: unreachable, out of space, access denied. Anything else stops only this hour."""
        return self.error is not None and self.error.stops_run

    @classmethod
    def of(cls, outcome: Ending, entry: Entry, seconds: float) -> Outcome:
        """Return the outcome of an hour whose ledger entry is `entry`."""
        return cls(
            entry.hour,
            outcome,
            entry.attempts,
            entry.files,
            entry.bytes,
            entry.rows_loaded,
            entry.rows_rejected,
            entry.rows_unmatched,
            seconds,
        )


@dataclass
class Stopwatch:
    """Seconds by phase of one attempt."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: dict[str, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the duration of the block to the phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)

    @property
    def total(self) -> float:
        return round(time.monotonic() - self._start, 3)
