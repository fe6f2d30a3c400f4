"""The catalogue: bookreport's own copy of what it needs from the books, updated when they change."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import IO

from bookreport.database import Database, Transaction
from bookreport.errors import Configuration

log = logging.getLogger(__name__)

MOST_IN_MEMORY = 1 << 22
"""Bytes of the books that a refresh keeps in memory; more go through a temporary file."""


@dataclass(frozen=True)
class _Fingerprint:
    """What tells whether the books have changed: how many there are, and the sum of their digests."""

    books: int
    digest: Decimal


@dataclass(frozen=True)
class State:
    """What is known about the catalogue: `as_of` is when the books it was made from were read.

    `is_current`: the books have not changed since. `may_refresh`: this role may update it.
    """

    as_of: datetime
    is_current: bool
    languages: tuple[str, ...]
    may_refresh: bool


@dataclass(frozen=True)
class Refresh:
    """What a refresh did: how many ISBNs were added, changed and removed; all 0 if the books had not changed."""

    as_of: datetime
    added: int = 0
    changed: int = 0
    removed: int = 0


def state(database: Database) -> State:
    """Return how the catalogue compares with the books; reads each book once (1,000,000 in a tenth of a second)."""
    books = _fingerprint(database)
    with database.transaction(snapshot=True) as transaction:
        return _compared(transaction, books)


def refresh(database: Database) -> Refresh:
    """Update the catalogue from the books; writes nothing if they have not changed.

    Raises Locked if another run's refresh takes longer than LOCK_SECONDS, Configuration if this role may not refresh it or
    can't read the books.
    """
    done = None
    while done is None:
        found = state(database)
        if found.is_current:
            return Refresh(found.as_of)
        if not found.may_refresh:
            # If it is because the server is a standby, beginning to write raises just that.
            with database.transaction():
                raise Configuration("this role may not update the catalogue", hint="see Roles in the README")
        with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY) as listed:
            with database.quarantine() as transaction:
                transaction.copy_out("catalogue/list_books", listed)
            done = _take_over(database, listed, found.as_of)
    log.info(
        "the books have changed; catalogue updated: %d ISBNs added, %d changed, %d removed",
        done.added,
        done.changed,
        done.removed,
    )
    # Lookups can use the index alone only if Postgres knows that all rows are visible.
    database.vacuum("catalogue")
    return done


def _take_over(database: Database, listed: IO[bytes], as_of: datetime) -> Refresh | None:
    """Make the catalogue what `listed` says; None if it is no longer `as_of`: another run has read the books since."""
    with database.transaction() as transaction:
        transaction.lock("catalogue")
        if transaction.one("catalogue/as_of").as_of != as_of:
            return None
        transaction.run("catalogue/make_listed")
        transaction.copy_in("listed", listed)
        transaction.run("catalogue/forget_changes")
        transaction.run("catalogue/make_regrouped")
        transaction.run("catalogue/hold")
        done = Refresh(**transaction.one("catalogue/refresh")._asdict())
        transaction.run("catalogue/regroup")
        transaction.run("catalogue/delete_empty_groups")
        return done


@contextmanager
def current(database: Database) -> Iterator[tuple[Transaction, State]]:
    """Yield a snapshot with an up-to-date catalogue, if this role may update it, and the catalogue's state.

    Raises what `refresh` raises.
    """
    books = _fingerprint(database)
    with database.transaction(snapshot=True) as transaction:
        found = _compared(transaction, books)
        if found.is_current or not found.may_refresh:
            yield transaction, found
            return
    refresh(database)
    books = _fingerprint(database)
    with database.transaction(snapshot=True) as transaction:
        yield transaction, _compared(transaction, books)


def _fingerprint(database: Database) -> _Fingerprint:
    with database.quarantine() as transaction:
        return _Fingerprint(**transaction.one("catalogue/fingerprint")._asdict())


def _compared(transaction: Transaction, books: _Fingerprint) -> State:
    row = transaction.one("catalogue/state", **asdict(books))
    return State(row.as_of, row.is_current, tuple(row.languages), row.may_refresh)
