"""Pruning: old rows are deleted, what is known about their hours is kept; and hours that are forgotten entirely."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from bookreport import days, purchases
from bookreport.database import Database
from bookreport.errors import Usage
from bookreport.hours import EARLIEST, Hour, Span, believable
from bookreport.outcomes import HourState
from bookreport.quoting import quoted

log = logging.getLogger(__name__)
_SUMS = ("prune/delete_sums", "prune/delete_groups", "prune/delete_unmatched")
_FORGETTING = (
    "prune/delete_rows",
    *_SUMS,
    "prune/delete_all_rejects",
    "prune/delete_written",
    "prune/delete_files",
    "prune/delete_hours",
)


@dataclass(frozen=True)
class PrunedMonth:
    """What is deleted of one month: `span` is the part of it before the bound; `whole`: its table partition is dropped."""

    span: Span
    whole: bool
    hours: int
    rows: int


def prunable(database: Database, before: Hour, *, keep_sums: bool) -> list[PrunedMonth]:
    """Return the months with loaded hours before `before`, oldest first."""
    with database.transaction(snapshot=True) as transaction:
        found = transaction.rows("prune/prunable", before=before.start, keep_sums=keep_sums)
    months = []
    for row in found:
        starts, ends = Hour(row.month), Hour(row.month).next_month
        months.append(PrunedMonth(Span(starts, min(ends, before)), ends <= before, row.hours, row.rows))
    return months


def prune(database: Database, month: PrunedMonth, *, keep_sums: bool) -> None:
    """Delete a month's rows and rejects, and its sums unless they are kept, and mark its loaded hours as pruned.

    It takes the lock of each hour first, as a load does: neither sees the other half done. A whole month costs only a DROP
    TABLE; readers wait for that moment. Raises Locked if a lock is not granted, with nothing of the month pruned.
    """
    bounds = {"since": month.span.since.start, "until": month.span.until.start}
    rows_table, sums_table = purchases.tables_of(month.span.since)
    with database.transaction() as transaction:
        transaction.lock(days.LOCK, *(hour.instant for hour in month.span))
        if month.whole:
            transaction.script(f"drop table if exists {quoted(rows_table)}")
        else:
            transaction.run("prune/delete_rows", **bounds)
        transaction.run("prune/delete_rejects", **bounds)
        days.forget(transaction, month.span)
        if not keep_sums:
            purchases.hold_catalogue(transaction)
            for statement in _SUMS:
                transaction.run(statement, **bounds)
        transaction.run("prune/record_pruned", **bounds, keep_sums=keep_sums)
    for table in ("rejects", *(() if month.whole else (rows_table,)), *(() if keep_sums else (sums_table,))):
        database.vacuum(table)


def rejects_with_text(database: Database, before: Hour) -> int:
    """Return how many rejects before `before` still have their raw text."""
    with database.transaction(snapshot=True) as transaction:
        return int(transaction.one("prune/rejects_with_text", before=before.start).rejects)


def remove_reject_text(database: Database, before: Hour) -> None:
    """Delete what may identify a person from the hours before `before`: raw text of rejects, quotes in reasons and errors.

    The rest of the rejects stays, and so do the errors in the ledger and in the history of loads.
    """
    # A load locks rejects and the ledger too, in an order of its own: holding one while waiting for the other is a deadlock.
    for statement in ("prune/remove_reject_text", "prune/redact_loads", "prune/redact_ledger"):
        with database.transaction() as transaction:
            transaction.run(statement, before=before.start)
    database.vacuum("rejects")


def mistaken(database: Database, since: Hour) -> list[PrunedMonth]:
    """Return the months with hours in the ledger from `since` on, oldest first, which can't be right: they are in the future.

    Raises Usage unless `since` is more than an hour after now, by Postgres's clock.
    """
    with database.transaction(snapshot=True) as transaction:
        within = believable(EARLIEST, [transaction.now()])
        if since < within.until:
            raise Usage(
                f"not all hours from {since} on are in the future",
                hint="--from removes hours in the future; for old hours, use --before",
            )
        found = transaction.rows("prune/future_months", since=since.start)
    return [
        PrunedMonth(Span(max(Hour(row.month), since), Hour(row.month).next_month), whole=False, hours=row.hours, rows=row.rows)
        for row in found
    ]


@dataclass(frozen=True)
class Known:
    """What is known of an hour: its state in the ledger (None: none), and how many rows and rejects the tables hold of it."""

    hour: Hour
    status: HourState | None
    rows: int
    rejects: int


def known(database: Database, hours: Iterable[Hour]) -> list[Known]:
    """Return what is known of each of `hours`, oldest first; those of which nothing is known are left out."""
    with database.transaction(snapshot=True) as transaction:
        found = transaction.rows("prune/known", hours=[hour.start for hour in hours])
    return [Known(Hour(row.hour), row.status and HourState(row.status), row.rows, row.rejects) for row in found]


def forget(database: Database, span: Span) -> None:
    """Remove the hours of `span`, within one month, from the ledger and from all tables, as if they had never been seen.

    The history of loads keeps their attempts. Raises Locked if a lock is not granted, with nothing removed.
    """
    bounds = {"since": span.since.start, "until": span.until.start}
    with database.transaction() as transaction:
        transaction.lock(days.LOCK, *(hour.instant for hour in span))
        days.forget(transaction, span)
        purchases.hold_catalogue(transaction)
        for statement in _FORGETTING:
            transaction.run(statement, **bounds)


def vacuum(database: Database, hours: Iterable[Hour]) -> None:
    """Free the space that forgotten `hours` took, once for each table."""
    hours = list(hours)
    for table in sorted({table for hour in hours for table in ("rejects", *purchases.tables_of(hour))}):
        database.vacuum(table)


@dataclass(frozen=True)
class Pruning:
    """What to delete: `months` (but not sums if `keep_sums`), `mistaken` hours after now, the raw text of `texts` rejects."""

    months: list[PrunedMonth]
    keep_sums: bool
    mistaken: list[PrunedMonth]
    rejects_before: Hour | None
    texts: int


def plan(
    database: Database, before: Hour | None, *, keep_sums: bool, future: Hour | None, rejects_before: Hour | None
) -> Pruning:
    """Return what to delete: rows `before` an hour, hours from `future` on, texts of rejects; writes nothing.

    Raises Usage if `future` is not after now.
    """
    return Pruning(
        prunable(database, before, keep_sums=keep_sums) if before else [],
        keep_sums,
        mistaken(database, future) if future else [],
        rejects_before,
        rejects_with_text(database, rejects_before) if rejects_before else 0,
    )


def carry_out(database: Database, going: Pruning) -> None:
    """Delete it, month by month; raises Locked if a lock is not granted, with that month as it was."""
    for month in going.months:
        prune(database, month, keep_sums=going.keep_sums)
        log.info("%s pruned: %s hours, %s rows", month.span, f"{month.hours:,}", f"{month.rows:,}")
    for month in going.mistaken:
        forget(database, month.span)
        log.info("%s removed: %s hours, %s rows", month.span, f"{month.hours:,}", f"{month.rows:,}")
    vacuum(database, [month.span.since for month in going.mistaken])
    if going.rejects_before:
        remove_reject_text(database, going.rejects_before)
