"""What tests of loads share: the types of their fixtures, a few sales, and all that is stored."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bookreport.loader import Loader
from bookreport.outcomes import Outcome
from bookstore import ENGLISH, POCKET, SPANISH, UNKNOWN
from connection import Sql
from truth import Purchase

Load = Callable[..., Outcome]
MakeLoader = Callable[..., Loader]

SOLD = [
    Purchase("ana", ENGLISH, 2, "12.50"),
    Purchase("bob", SPANISH, 1, "7.99"),
    Purchase("ana", POCKET, 3, "0.05"),
    Purchase("eva", UNKNOWN, 1, "100"),
]
ROWS = "select user_id, isbn10, quantity, unit_price, sale_value from purchases order by user_id, isbn10"
TABLES = ("purchase_rows", "hour_sums", "ledger", "ledger_files", "loads", "rejects", "source")


def expected_rows(purchases: list[Purchase]) -> list[tuple[Any, ...]]:
    rows = [(p.user_id, p.isbn10, p.books, None if p.unit_price is None else Decimal(p.unit_price), p.value) for p in purchases]
    return sorted(rows, key=lambda row: row[:2])


def everything(sql: Sql, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that is stored, to be compared with what is stored later."""
    return {table: sorted(sql(f"select t::text from {table} t")) for table in TABLES if table not in but}
