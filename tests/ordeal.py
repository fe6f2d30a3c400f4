"""Loads damaged files on real servers, and compares what became of each with what it knows of itself."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from bookreport.errors import BadData
from bookreport.hours import Hour
from bookreport.outcomes import Outcome
from connection import Sql
from sheet import Case, Row, fold, judge

FIRST_HOUR = Hour.of(2023, 1, 1, 0)

Files = dict[str, Case]
"""The files of one hour by their keys."""
Outcomes = dict[Hour, Outcome | BaseException]


@dataclass
class Tally:
    """What became of the files of one class."""

    files: int = 0
    loaded: int = 0
    with_rejects: int = 0
    refused: int = 0
    records: int = 0
    intact_set_aside: int = 0
    lost: int = 0
    wrong: int = 0
    broken: int = 0


@dataclass
class Account:
    """What became of all files, by class; `violations` lists, by class, what must never happen."""

    classes: dict[str, Tally] = field(default_factory=dict)
    violations: dict[str, list[str]] = field(default_factory=dict)

    def violate(self, case: Case, kind: str, told: str) -> None:
        tally = self.classes[case.name]
        setattr(tally, kind, getattr(tally, kind) + 1)
        self.violations.setdefault(case.name, []).append(f"{kind}: {told}\n    {case.content[:1000]!r}")

    def table(self) -> list[str]:
        """Return the figures as lines of a table."""
        names = [name.replace("_", " ") for name in Tally.__dataclass_fields__]
        rows = [[name, *vars(tally).values()] for name, tally in sorted(self.classes.items())]
        rows.append(["all", *(sum(figures) for figures in zip(*(row[1:] for row in rows), strict=True))])
        widths = [max(len(str(row[at])) for row in [["", *names], *rows]) for at in range(len(names) + 1)]
        return [
            "  ".join(str(cell).rjust(width) if at else str(cell).ljust(width) for at, (cell, width) in enumerate(line))
            for line in (zip(row, widths, strict=True) for row in [["class", *names], *rows])
        ]


def hours_of(cases: Iterable[Case], beside: Callable[[int], Case | None]) -> dict[Hour, Files]:
    """Give each case an hour of its own; `beside` gives a clean file for the number of an hour, or None."""
    hours: dict[Hour, Files] = {}
    for number, case in enumerate(cases):
        files = {f"damaged{case.suffix}": case}
        clean = beside(number)
        if clean is not None:
            files[f"beside{clean.suffix}"] = clean
        hours[FIRST_HOUR + number] = files
    return hours


def write(hours: dict[Hour, Files], put: Callable[[str, bytes], object]) -> None:
    """Put all files and markers into the bucket."""
    objects = {hour.partition + key: case.content for hour, files in hours.items() for key, case in files.items()}
    objects |= {f"{hour.partition}FULL": b"" for hour in hours}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, objects.keys(), objects.values()))


def each(hours: Iterable[Hour], act: Callable[[Hour], Outcome]) -> Outcomes:
    """Load, or dry-run, each hour, two at a time; an exception affects its own hour only."""
    with ThreadPoolExecutor(2) as pool:
        acts = {hour: pool.submit(act, hour) for hour in hours}
    return {hour: done.exception() or done.result() for hour, done in acts.items()}


def otherwise(hours: dict[Hour, Files], told: Outcomes, did: Outcomes) -> Iterator[str]:
    """Give a sentence for each hour where the dry run and the load disagreed."""
    for hour, would in told.items():
        if _gist(would) != _gist(did[hour]):
            case = next(iter(hours[hour].values()))
            yield f"{case.name}: told {_gist(would)}, did {_gist(did[hour])}\n    {case.content[:1000]!r}"


def _gist(outcome: Outcome | BaseException) -> tuple[object, ...]:
    if isinstance(outcome, BaseException):
        return (repr(outcome),)
    if outcome.error is not None:
        return ("failed", outcome.error.message, outcome.error.hint)
    return ("loaded", outcome.files, outcome.bytes, outcome.rows_loaded, outcome.rows_rejected)


def account(hours: dict[Hour, Files], outcomes: Outcomes, sql: Sql) -> Account:
    """Judge each hour by its rows and rejects in the database."""
    rows = _rows(sql)
    rejects: dict[tuple[Hour, str], list[str]] = {}
    for hour, key, raw in sql("select hour, key, raw from rejects order by hour, key, line_number"):
        rejects.setdefault((Hour(hour), key), []).append(raw)
    made = Account()
    for hour, files in hours.items():
        raws = {key: rejects.get((hour, key), []) for key in files}
        _judge(made, files, outcomes[hour], rows.get(hour, Counter()), raws)
    return made


def _judge(
    made: Account, files: Files, outcome: Outcome | BaseException, rows: Counter[Row], rejects: dict[str, list[str]]
) -> None:
    damaged = next(iter(files.values()))
    for case in files.values():
        tally = made.classes.setdefault(case.name, Tally())
        tally.files += 1
        tally.records += case.records
    if isinstance(outcome, BaseException):
        told = "".join(traceback.format_exception_only(outcome)).strip()
        made.violate(damaged, "broken", told)
        return
    if outcome.error is None:
        _judge_load(made, files, outcome, rows, rejects)
        return
    for case in files.values():
        made.classes[case.name].refused += 1
    fault = _fault_of(outcome, files)
    if fault:
        made.violate(damaged, "broken", fault)
    if rows:
        made.violate(damaged, "wrong", f"refused, but {rows.total()} rows are there")


def _judge_load(made: Account, files: Files, outcome: Outcome, rows: Counter[Row], rejects: dict[str, list[str]]) -> None:
    damaged = next(iter(files.values()))
    if (outcome.rows_loaded, outcome.rows_rejected) != (rows.total(), sum(map(len, rejects.values()))):
        made.violate(damaged, "broken", f"{outcome} of {rows.total()} rows and {rejects}")
    for key, case in files.items():
        tally = made.classes[case.name]
        tally.loaded += 1
        tally.with_rejects += bool(rejects[key])
        finding = judge(case, rows, rejects[key])
        tally.intact_set_aside += finding.intact_set_aside
        if finding.lost:
            made.violate(case, "lost", repr(finding.lost))
    left = +rows
    if left:
        user = next(iter(left)).user_id
        wronged = next((case for case in files.values() if user in case.users), damaged)
        made.violate(wronged, "wrong", repr(sorted(map(str, left.elements()))[:3]))


def _fault_of(outcome: Outcome, files: Files) -> str | None:
    """Return what is wrong with a refusal; None if it says all it must."""
    error = outcome.error
    assert error is not None
    if not isinstance(error, BadData):
        return f"{type(error).__name__}: {error.message}"
    if next(iter(files)) not in error.message:
        return f"the message names no damaged file: {error.message}"
    if not error.hint and "line " not in error.message:
        return f"neither hint nor line: {error.message}"
    return None


def _rows(sql: Sql) -> dict[Hour, Counter[Row]]:
    rows: dict[Hour, Counter[Row]] = {}
    for hour, user, isbn, quantity, price, value, at, extra in sql(
        "select hour, user_id, isbn10, quantity, unit_price, sale_value, purchased_at, extra from purchases"
    ):
        row = Row(user, isbn, quantity, price, value, at, frozenset((fold(name), text) for name, text in (extra or {}).items()))
        rows.setdefault(Hour(hour), Counter())[row] += 1
    return rows
