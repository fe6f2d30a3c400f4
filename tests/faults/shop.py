"""Made-up purchases of a bookstore, and the truth about them in plain Python."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

import truth

FIRST = datetime(2022, 12, 8, tzinfo=UTC)
BOOKS = {
    f"{number:010}": (("Hardcover", "Paperback")[number % 2], ("English", "Spanish", "German")[number % 3])
    for number in range(1, 60)
}
UNKNOWN_BOOK = "9999999999"
DIRT = ("user001,0000000001,1,n/a,x", "\\.", 'user001,"0000000001,1,9.99,x')
"""Lines that are not sales; the second file of each hour has them, so it takes the careful path."""

HEADER = ("user_id", "isbn10", "quantity", "unit_price", "purchased_at")

Sale = tuple[str, str, int, Decimal, str]
"""One purchase, in the order of HEADER."""


class Hour:
    """One hour of the shop: the sales of each file; the same for the same seed.

    Equal rows occur: a book bought twice counts twice.
    """

    def __init__(self, start: datetime, rows: int, files: int = 3, seed: object = 1) -> None:
        self.start = start
        chance = random.Random(f"{seed} {start}")
        self.files = {
            f"purchases-{number:04}.csv{'.gz' if number == 3 else ''}": [self._sale(chance) for _ in range(rows)]
            for number in range(1, files + 1)
        }

    def _sale(self, chance: random.Random) -> Sale:
        isbn10 = chance.choice([*BOOKS, UNKNOWN_BOOK])
        price = Decimal(chance.randrange(300, 4000)) / 100
        minute = f"{self.start:%Y-%m-%dT%H}:{chance.randrange(60):02}Z"
        return (f"user{chance.randrange(500):03}", isbn10, chance.choice((1, 1, 1, 2)), price, minute)

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H}"

    @property
    def partition(self) -> str:
        return f"{self.start:year=%Y/month=%m/day=%d/hour=%H/}"

    @property
    def sales(self) -> list[Sale]:
        return [sale for sales in self.files.values() for sale in sales]

    @cached_property
    def objects(self) -> dict[str, bytes]:
        """The contents of the hour's files, by their keys in the bucket; the marker is not among them."""
        return {f"{self.partition}{name}": content(name, sales) for name, sales in self.files.items()}

    @cached_property
    def rows(self) -> Counter[str]:
        """The rows that a reader of `purchases` must find, as CSV: with the sale value, without the hour."""
        return Counter(
            f"{user},{isbn10},{quantity},{price:.2f},{quantity * price:.2f},{minute}"
            for user, isbn10, quantity, price, minute in self.sales
        )

    @cached_property
    def manifest(self) -> dict[str, tuple[str, int]]:
        """For each file, what the ledger must know of it: its ETag and its rows."""
        return {
            name: (hashlib.md5(self.objects[self.partition + name], usedforsecurity=False).hexdigest(), len(sales))
            for name, sales in self.files.items()
        }

    @property
    def rejects(self) -> Counter[tuple[str, str]]:
        """The files and the texts of the records that must be set aside."""
        return Counter((name, line) for name in self.files for line in dirt(name))

    @property
    def books_sold(self) -> int:
        return sum(sale[2] for sale in self.sales)

    @property
    def sale_value(self) -> Decimal:
        return sum((sale[2] * sale[3] for sale in self.sales), Decimal())


def content(name: str, sales: Sequence[Sale]) -> bytes:
    """Return the bytes of a file of `sales`, compressed if its name says so."""
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((user, isbn10, quantity, f"{price:.2f}", minute) for user, isbn10, quantity, price, minute in sales)
    lines = output.getvalue().splitlines(keepends=True)
    for number, line in enumerate(dirt(name), 1):
        lines.insert(max(1, number * len(lines) // (len(DIRT) + 1)), f"{line}\n")
    plain = "".join(lines).encode()
    return gzip.compress(plain, mtime=0) if name.endswith(".gz") else plain


def dirt(name: str) -> tuple[str, ...]:
    """Return the lines of a file that are not sales."""
    return DIRT if name.startswith("purchases-0002.") else ()


def shop(hours: int = 4, rows: int = 4000, seed: object = 1) -> list[Hour]:
    """Return `hours` consecutive hours, each of three files of `rows` purchases."""
    return [Hour(FIRST + number * timedelta(hours=1), rows, seed=seed) for number in range(hours)]


def figures(hours: Sequence[Hour]) -> dict[str, Any]:
    """Return what the JSON of a report over `hours` must say, apart from its window and its timestamps."""
    return _figures(tuple(hours))


@cache
def _figures(hours: tuple[Hour, ...]) -> dict[str, Any]:
    books = [truth.Book(isbn10, *book) for isbn10, book in BOOKS.items()]
    sold = [truth.Purchase(sale[0], sale[1], sale[2], str(sale[3])) for hour in hours for sale in hour.sales]
    return truth.report(sold, books) | {"rejected_rows": sum(hour.rejects.total() for hour in hours)}
