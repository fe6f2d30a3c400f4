"""Shared by tests that load: the types of their fixtures, a few sales, and everything that is stored."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.hours import Hour
from bookreport.outcomes import Outcome
from bookreport.run import Run
from bookstore import ENGLISH, POCKET, SPANISH, UNKNOWN
from connection import Sql
from truth import Purchase

Load = Callable[..., Outcome]
MakeRun = Callable[..., Run]
OpenBucket = Callable[..., Bucket]

SOLD = [
    Purchase("ana", ENGLISH, 2, "12.50"),
    Purchase("bob", SPANISH, 1, "7.99"),
    Purchase("ana", POCKET, 3, "0.05"),
    Purchase("eva", UNKNOWN, 1, "100"),
]
ROWS = "select user_id, isbn10, quantity, unit_price, sale_value from purchases order by user_id, isbn10"
TABLES = ("purchase_rows", "hour_sums", "ledger", "ledger_files", "loads", "rejects", "source")


def outcomes(run: Iterable[Outcome]) -> list[tuple[Hour, str]]:
    return [(outcome.hour, outcome.outcome) for outcome in run]


@contextmanager
def held(database: Database, hour: Hour) -> Iterator[None]:
    """Hold the lock of an hour, as a run that loads it does."""
    with database.transaction() as transaction:
        transaction.lock(hour.instant)
        yield


def expected_rows(purchases: list[Purchase]) -> list[tuple[Any, ...]]:
    rows = [(p.user_id, p.isbn10, p.books, None if p.unit_price is None else Decimal(p.unit_price), p.value) for p in purchases]
    return sorted(rows, key=lambda row: row[:2])


def everything(sql: Sql, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return everything that is stored, to compare with what is stored later."""
    return {table: sorted(sql(f"select t::text from {table} t")) for table in TABLES if table not in but}
