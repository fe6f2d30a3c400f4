"""Keeping house: old rows go, what is known of their hours stays."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bookreport import purchases
from bookreport.database import Database
from bookreport.errors import Usage
from bookreport.hours import EARLIEST, Hour, Span, believable
from bookreport.quoting import quoted

log = logging.getLogger(__name__)
_FORGETTING = ("prune/delete_rows", "prune/delete_sums", "prune/delete_rejects", "prune/delete_files", "prune/delete_hours")


@dataclass(frozen=True)
class PrunedMonth:
    """What goes of one month: `span` is the part of it before the bound, `whole` says that its table partition goes."""

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
    """Take a month's rows and rejects away, and its sums unless they are kept, and mark its loaded hours as pruned.

    It takes the lock of each hour first, as a load does: neither sees half of what the other does. A whole month costs the
    drop of a table; readers wait for that moment. Raises Locked when a lock does not come, with nothing of the month pruned.
    """
    bounds = {"since": month.span.since.start, "until": month.span.until.start}
    rows_table, sums_table = purchases.tables_of(month.span.since)
    with database.transaction() as transaction:
        transaction.wait_for_locks(*(hour.instant for hour in month.span))
        if month.whole:
            transaction.script(f"drop table if exists {quoted(rows_table)}")
        else:
            transaction.run("prune/delete_rows", **bounds)
        if not keep_sums:
            transaction.run("prune/delete_sums", **bounds)
        transaction.run("prune/delete_rejects", **bounds)
        transaction.run("prune/record_pruned", **bounds, keep_sums=keep_sums)
    for table in ("rejects", *(() if month.whole else (rows_table,)), *(() if keep_sums else (sums_table,))):
        database.vacuum(table)


def rejects_with_text(database: Database, before: Hour) -> int:
    """Return how many rejects before `before` still have their raw text."""
    with database.transaction() as transaction:
        return int(transaction.one("prune/rejects_with_text", before=before.start).rejects)


def remove_reject_text(database: Database, before: Hour) -> None:
    """Take away what may name a person, of hours before `before`: the raw text of rejects, and what reasons and errors quote.

    The rest of the rejects stays, and so do the errors in the ledger and in the history of loads.
    """
    with database.transaction() as transaction:
        for statement in ("prune/remove_reject_text", "prune/redact_loads", "prune/redact_ledger"):
            transaction.run(statement, before=before.start)
    database.vacuum("rejects")


def mistaken(database: Database, since: Hour) -> list[PrunedMonth]:
    """Return the months with hours of the ledger from `since` on, oldest first, which can't be: they lie after now.

    Raises Usage when `since` is no more than an hour after now, by Postgres's clock.
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


def forget(database: Database, month: PrunedMonth) -> None:
    """Take the hours of a month out of the ledger and of all tables, so that each is loaded once its time has come.

    The history of loads keeps them. Raises Locked when a lock does not come, with nothing taken out.
    """
    bounds = {"since": month.span.since.start, "until": month.span.until.start}
    with database.transaction() as transaction:
        transaction.wait_for_locks(*(Hour(row.hour).instant for row in transaction.rows("prune/known_hours", **bounds)))
        for statement in _FORGETTING:
            transaction.run(statement, **bounds)
    for table in ("rejects", *(purchases.tables_of(month.span.since) if month.rows else ())):
        database.vacuum(table)


@dataclass(frozen=True)
class Pruning:
    """What is to go: `months` (their sums stay if `keep_sums`), `mistaken` hours after now, the raw text of `texts` rejects."""

    months: list[PrunedMonth]
    keep_sums: bool
    mistaken: list[PrunedMonth]
    rejects_before: Hour | None
    texts: int


def plan(
    database: Database, before: Hour | None, *, keep_sums: bool, future: Hour | None, rejects_before: Hour | None
) -> Pruning:
    """Return what is to go: rows `before` an hour, hours from `future` on, texts of rejects; write nothing.

    Raises Usage when `future` does not lie after now.
    """
    return Pruning(
        prunable(database, before, keep_sums=keep_sums) if before else [],
        keep_sums,
        mistaken(database, future) if future else [],
        rejects_before,
        rejects_with_text(database, rejects_before) if rejects_before else 0,
    )


def carry_out(database: Database, going: Pruning) -> None:
    """Take away what is to go, month by month; raises Locked when a lock does not come, with that month as it was."""
    for month in going.months:
        prune(database, month, keep_sums=going.keep_sums)
        log.info("%s pruned: %s hours, %s rows", month.span, f"{month.hours:,}", f"{month.rows:,}")
    for month in going.mistaken:
        forget(database, month)
        log.info("%s removed: %s hours, %s rows", month.span, f"{month.hours:,}", f"{month.rows:,}")
    if going.rejects_before:
        remove_reject_text(database, going.rejects_before)
