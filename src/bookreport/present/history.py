"""The attempts to load: when, how each ended, how long it took, and what a reload changed."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from bookreport.messages import plain
from bookreport.present.words import as_table, counted, instant, money, thousands

if TYPE_CHECKING:
    # Only types are needed here: --help must not wait for SQLAlchemy.
    from bookreport.history import History, PastAttempt


def history_json(found: History) -> dict[str, object]:
    """Return attempts as `bookreport.history/1`."""
    return {
        "schema": "bookreport.history/1",
        "attempts": [_attempt_json(each) for each in found.attempts],
        "is_cut": found.is_cut,
    }


def _attempt_json(attempt: PastAttempt) -> dict[str, object]:
    phases = dict(attempt.seconds)
    told = {
        "hour": attempt.hour.instant,
        "started_at": instant(attempt.started_at),
        "finished_at": instant(attempt.finished_at),
        "seconds": phases.pop("total", None),
        "seconds_by_phase": phases,
        "run_id": str(attempt.run_id),
    }
    amounts = {name: value and money(value) for name, value in vars(attempt).items() if isinstance(value, Decimal)}
    return vars(attempt) | told | amounts


def history_table(found: History) -> str:
    """Return attempts as text for a terminal, with each error once below them."""
    phases = list(dict.fromkeys(name for each in found.attempts for name in each.seconds if name != "total"))
    counts = ("Rows", "Rejected", "Books", "Sale value")
    header = ("Started (UTC)", "Hour", "Outcome", "Seconds", *map(str.capitalize, phases), *counts)
    rows = [
        (
            instant(each.started_at).rstrip("Z"),
            str(each.hour),
            each.outcome,
            *(_seconds(each.seconds.get(name)) for name in ("total", *phases)),
            _count(each.rows_loaded),
            _count(each.rows_rejected),
            _change(_count(each.books_sold_before), _count(each.books_sold)),
            _change(_amount(each.sale_value_before), _amount(each.sale_value)),
        )
        for each in found.attempts
    ]
    errors = Counter((each.hour, each.error) for each in found.attempts if each.error is not None)
    told = [f"{hour} ({counted(times, 'attempt')}): {plain(error)}" for (hour, error), times in errors.items()]
    return "\n".join([as_table(header, rows, right=range(3, len(header))), *([""] if told else []), *told])


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _amount(amount: Decimal | None) -> str:
    return "" if amount is None else thousands(amount)


def _change(before: str, after: str) -> str:
    return f"{before} → {after}" if before else after
