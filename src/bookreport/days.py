"""Days: who bought on each closed UTC day and in which language, so that distinct users are found without its purchases."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bookreport import ledger, purchases
from bookreport.database import Database, Transaction
from bookreport.errors import Locked
from bookreport.hours import EARLIEST, FIRST, LAST, Hour, Span

log = logging.getLogger(__name__)

LOCK = "days"
"""The lock of whoever builds days, or changes users: one session at a time."""

AT_ONCE = 0.1
"""Seconds to wait for another session that builds days: it does the same work."""


class _Changed(Exception):
    """A day's hours, or the catalogue, changed while the day was built."""


@dataclass(frozen=True)
class Bought:
    """Distinct users of a span, and how many of them bought a book in a language."""

    users: int = 0
    buyers: int = 0


def missing(database: Database, since: Hour | None = None, until: Hour | None = None, earliest: Hour = EARLIEST) -> list[Span]:
    """Return the closed days that begin in the span and are not built of what they hold now, oldest first.

    A day is closed when all of its hours are loaded, or a later day has begun.
    """
    with database.transaction(snapshot=True) as transaction:
        newest = ledger.newest_loaded(transaction, earliest)
        if newest is None:
            return []
        bounds = {"since": (since or FIRST).start, "until": (until or LAST).start}
        found = transaction.rows("days/missing", newest=newest.start.replace(hour=0), **bounds)
    return [Span(Hour(row.day), Hour(row.day) + 24) for row in found]


def build(database: Database, days: Sequence[Span]) -> Iterator[Span]:
    """Build each of `days` in transactions of its own, and yield it unless it changes meanwhile, and is left for the next time.

    Raises Locked if another session builds days, or loads an hour of one that was loaded before there were days.
    """
    for day in days:
        start = time.monotonic()
        try:
            _group(database, day)
            _build(database, day)
        except _Changed:
            log.debug("%s changed while it was built; the next run builds it", day)
        else:
            log.debug("%s built in %.1f s", day, time.monotonic() - start)
            yield day


def _group(database: Database, day: Span) -> None:
    """Store the sums by format and language of hours that were loaded before there were any."""
    with database.transaction(snapshot=True) as transaction:
        hours = [Hour(row.hour) for row in transaction.rows("days/ungrouped", **_bounds(day))]
    for hour in hours:
        with database.transaction() as transaction:
            ledger.lock(transaction, hour)
            # Another session may have loaded or pruned it since.
            if transaction.rows("days/ungrouped", **_bounds(Span.of_hour(hour))):
                purchases.group(transaction, hour)


def _build(database: Database, day: Span) -> None:
    """Build one day; raises _Changed, with nothing changed, if its hours or the catalogue do meanwhile."""
    with database.transaction() as transaction:
        try:
            transaction.lock(LOCK, patience=AT_ONCE)
        except Locked as error:
            raise Locked("another session builds days", hint=error.hint, holder=error.holder) from error
        made_of = transaction.one("days/made_of", **_bounds(day))
        transaction.run("days/make_bought", **_bounds(day))
        transaction.run("days/number_users")
        was_built = transaction.run("days/delete_bits", **_bounds(day))
        transaction.run("days/insert_bits", day=day.since.start)
        if was_built:
            transaction.run("days/forget_users")
        # No other load has these ids: what was read between the two looks is what they loaded.
        purchases.hold_catalogue(transaction)
        if transaction.one("days/made_of", **_bounds(day)) != made_of:
            raise _Changed
        transaction.run("days/record_built", day=day.since.start, load_ids=made_of.load_ids)


def forget(transaction: Transaction, span: Span) -> None:
    """Delete the days that the span touches, and the users who bought on no other; the session holds LOCK."""
    since = span.since.start.replace(hour=0)
    transaction.run("days/delete_days", since=since, until=span.until.start)
    transaction.run("days/delete_bits", since=since, until=span.until.start)
    transaction.run("days/forget_users")


def count(transaction: Transaction, steps: Sequence[Span], spellings: Sequence[str]) -> list[Bought]:
    """Return the users of the loaded hours of each of `steps`, and how many bought in the language with these `spellings`.

    Steps ascend and don't overlap. Days that are built are read as such, if just their hours are in a step; the rows of all
    other hours are counted.
    """
    start = time.monotonic()
    bounds = {"since": [step.since.start for step in steps], "until": [step.until.start for step in steps]}
    cover = transaction.rows("days/cover", **bounds)
    built = [row for row in cover if row.hours is None]
    hours = [(hour, row.step) for row in cover for hour in row.hours or ()]
    if built:
        found = transaction.rows(
            "days/users",
            steps=[row.step for row in built],
            days=[row.day for row in built],
            hours=[hour for hour, _ in hours],
            hour_steps=[step for _, step in hours],
            spellings=list(spellings),
            **_runs([hour for hour, _ in hours]),
        )
    else:
        found = transaction.rows("days/rows", **bounds, spellings=list(spellings))
    counted = {row.step: Bought(row.users, row.buyers) for row in found}
    log.debug(
        "users counted in %.2f s: %d days as built, %d hours from their rows", time.monotonic() - start, len(built), len(hours)
    )
    return [counted.get(number, Bought()) for number in range(1, len(steps) + 1)]


def differences(transaction: Transaction, since: Hour, until: Hour) -> Iterator[tuple[Hour, str]]:
    """Yield what differs in the days of the span as they are built from a fresh count of their rows, day by day, in words."""
    for day in transaction.rows("days/built", since=since.start, until=until.start):
        span = Span(Hour(day.day), Hour(day.day) + 24)
        for row in transaction.rows("days/recount", **_bounds(span)):
            who = "users" if row.language is None else f"buyers in {row.language}"
            yield (
                span.since,
                f"{who} of the day: {row.users} in the tables, of {row.bits} in the bitmap {row.found} are the same",
            )


def _runs(hours: Sequence[datetime]) -> dict[str, list[datetime]]:
    """Return the bounds of the runs that the ascending `hours` make up."""
    runs = Span.runs(map(Hour, hours))
    return {"since": [run.since.start for run in runs], "until": [run.until.start for run in runs]}


def _bounds(span: Span) -> dict[str, Any]:
    return {"since": span.since.start, "until": span.until.start}
