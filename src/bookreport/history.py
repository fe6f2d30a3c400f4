"""The history: every attempt to load an hour, with how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bookreport.database import Database
from bookreport.hours import Hour


@dataclass(frozen=True)
class PastAttempt:
    """An attempt that loaded, reloaded or failed; `seconds` by phase, with the total.

    Counts and sums are of the hour as this attempt loaded it, `…_before` as a reload found it; None where there is none.
    """

    hour: Hour
    outcome: str
    started_at: datetime
    finished_at: datetime
    seconds: dict[str, float]
    files: int | None
    bytes: int | None
    rows_loaded: int | None
    rows_rejected: int | None
    books_sold_before: int | None
    books_sold: int | None
    sale_value_before: Decimal | None
    sale_value: Decimal | None
    error: str | None
    run_id: UUID
    version: str


@dataclass(frozen=True)
class History:
    """Attempts, newest first; `is_cut`: there are older ones beyond the limit."""

    attempts: tuple[PastAttempt, ...]
    is_cut: bool = False


def history(
    database: Database, hours: Sequence[Hour] = (), *, since: datetime | None, until: datetime | None, limit: int
) -> History:
    """Return the newest `limit` attempts, of `hours` or else of all, that ended from `since` to `until` (exclusive)."""
    with database.transaction(snapshot=True) as transaction:
        rows = transaction.rows(
            "history/attempts", hours=[hour.start for hour in hours] or None, since=since, until=until, limit=limit + 1
        )
    found = (row._asdict() for row in rows[:limit])
    return History(tuple(PastAttempt(**each | {"hour": Hour(each["hour"])}) for each in found), len(rows) > limit)
