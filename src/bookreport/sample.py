"""Sample books and purchases that look like a bookstore's: the same seed makes the same data."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from bookreport.bucket import BucketWriter
from bookreport.database import Database
from bookreport.errors import Configuration
from bookreport.hours import Hour, Span
from bookreport.isbn import with_check_digit
from bookreport.rows import RowStream

LANGUAGES = {"English": 56, "Spanish": 26, "French": 8, "German": 6, "Italian": 4}
"""Languages, and how many of a hundred books are in each, and how many of a hundred users read it."""

FORMATS = {"Paperback": 45, "eBook": 30, "Hardcover": 15, "Audiobook": 10}
"""Formats, and how many of a hundred books have each."""

PRICES = {"Paperback": (799, 2000), "eBook": (299, 1300), "Hardcover": (1799, 4000), "Audiobook": (999, 3000)}
"""For each format, the lowest price in cents and a bound for the highest."""

RHYTHM = (40, 25, 15, 10, 10, 15, 30, 55, 80, 95, 105, 115, 125, 120, 115, 115, 120, 130, 150, 180, 220, 240, 190, 100)
"""Purchases in each UTC hour of a day, as a percentage of the mean."""

SPELLINGS = (
    ("user_id", "isbn10", "quantity", "unit_price", "purchased_at"),
    ("Purchased At", "ISBN-10", "User ID", "Qty", "Price"),
    ("customer_id", "timestamp", "isbn", "copies", "book_price"),
)
"""Headers of the files, in turn; a column's place in MEANINGS says what it stands for."""

MEANINGS = (
    ("user_id", "isbn10", "quantity", "unit_price", "purchased_at"),
    ("purchased_at", "isbn10", "user_id", "quantity", "unit_price"),
    ("user_id", "purchased_at", "isbn10", "quantity", "unit_price"),
)

FILES_PER_HOUR = 3


@dataclass(frozen=True)
class Plan:
    """What to write: `hours` from `since` on, of `titles` books, with `rows` purchases in an average hour.

    `open_hour`: the last hour gets no marker. `dirt`: how many rows of each hour are damaged on purpose.
    """

    since: Hour
    hours: int = 24
    rows: int = 5000
    titles: int = 5000
    open_hour: bool = True
    dirt: int = 0
    seed: int = 1

    @property
    def span(self) -> Span:
        return Span(self.since, self.since + self.hours)

    @property
    def users(self) -> int:
        """How many users there are; on any given day, most of them buy nothing."""
        return self.rows * 20

    def rows_of(self, hour: Hour) -> int:
        """Return how many purchases the hour has, following the day's rhythm."""
        return round(self.rows * RHYTHM[hour.start.hour] / 100)


@dataclass(frozen=True)
class Book:
    """A title of the sample catalogue."""

    isbn10: str
    format: str
    language: str
    cents: int


class Shelf:
    """Books in order of their sales: a few sell most, many sell now and then."""

    def __init__(self, books: list[Book]) -> None:
        self._books = books
        # Zipf's law, flattened at its head (Mandelbrot): no title makes up a tenth of all sales.
        self._weights = list(accumulate(1 / (rank + 5) for rank in range(1, len(books) + 1)))

    def sell(self, chance: random.Random) -> Book:
        return chance.choices(self._books, cum_weights=self._weights)[0]


class Shop:
    """The plan's catalogue, and who reads what."""

    def __init__(self, plan: Plan) -> None:
        chance = random.Random(f"{plan.seed} books")
        numbers = chance.sample(range(10**8), plan.titles)
        formats = chance.choices(list(FORMATS), list(FORMATS.values()), k=plan.titles)
        languages = chance.choices(list(LANGUAGES), list(LANGUAGES.values()), k=plan.titles)
        self.plan = plan
        self.books = [
            Book(with_check_digit(f"{number:09}"), format_, language, chance.randrange(*PRICES[format_], 100))
            for number, format_, language in zip(numbers, formats, languages, strict=True)
        ]
        self._readers = [language for language, share in LANGUAGES.items() for _ in range(share)]
        chance.shuffle(self._readers)
        self._shelves = {
            # A small catalogue may have no book in a language: its readers then buy any.
            language: Shelf([book for book in self.books if book.language == language] or self.books)
            for language in LANGUAGES
        }

    def purchases(self, hour: Hour) -> Iterator[dict[str, object]]:
        """Yield the hour's purchases, oldest first, with the value of each column."""
        chance = random.Random(f"{self.plan.seed} {hour}")
        for second in sorted(chance.choices(range(3600), k=self.plan.rows_of(hour))):
            # Users with low numbers come back often, most of the others seldom.
            user = int(self.plan.users * chance.random() ** 2)
            # Everybody buys in their own language, and one time in ten in English.
            language = "English" if chance.random() < 0.1 else self._readers[user % 100]
            book = self._shelves[language].sell(chance)
            yield {
                "user_id": f"user{user:06}",
                # One sale in a hundred is of a book that is not in the catalogue.
                "isbn10": with_check_digit(f"{9 * 10**8 + user}") if chance.random() < 0.01 else book.isbn10,
                "quantity": chance.choices((1, 2, 3), cum_weights=(90, 98, 100))[0],
                "unit_price": f"{book.cents // 100}.{book.cents % 100:02}",
                "purchased_at": f"{hour}:{second // 60:02}:{second % 60:02}Z",
            }

    def files(self, hour: Hour) -> Iterator[tuple[str, bytes]]:
        """Yield the names and contents of the hour's files."""
        rows = self.plan.rows_of(hour)
        dirty = set(random.Random(f"{self.plan.seed} {hour} dirt").sample(range(rows), min(self.plan.dirt, rows)))
        outputs = [io.StringIO(newline="") for _ in range(FILES_PER_HOUR)]
        writers = [csv.writer(output, lineterminator="\n") for output in outputs]
        for writer, spelling in zip(writers, SPELLINGS, strict=True):
            writer.writerow(spelling)
        for number, purchase in enumerate(self.purchases(hour)):
            if number in dirty:
                purchase["unit_price"] = "n/a"
            place = number * FILES_PER_HOUR // rows
            writers[place].writerow([purchase[meaning] for meaning in MEANINGS[place]])
        for number, output in enumerate(outputs, 1):
            content = output.getvalue().encode()
            if number == FILES_PER_HOUR:
                yield f"purchases-{number:03}.csv.gz", gzip.compress(content, mtime=0)
            else:
                yield f"purchases-{number:03}.csv", content


def write(plan: Plan, database: Database, bucket: BucketWriter) -> None:
    """Write the plan's books into the database and its purchases into the bucket.

    Raises Configuration, before anything is written, if the database or the bucket already has data. The books stay only if
    the first hour could be written: a bucket that can't be made, or is read-only, leaves nothing behind.
    """
    with database.transaction(snapshot=True, search_path="") as transaction:
        tables = [row.name for row in transaction.rows("sample/tables_with_data", schema=database.schema)]
    if tables:
        raise Configuration(
            f"the database already has data: {', '.join(tables[:5])}", hint="use an empty database for sample data"
        )
    if not bucket.is_empty():
        raise Configuration(f"the bucket {bucket.name!r} already has data", hint="use an empty bucket for sample data")
    shop, hours = Shop(plan), iter(plan.span)
    with database.transaction(search_path="") as transaction:
        transaction.script('create table books ("index" bigint, "ISBN-10" text, "Format" text, "Language" text)')
        lines = (f"{number},{book.isbn10},{book.format},{book.language}\n".encode() for number, book in enumerate(shop.books))
        transaction.copy("books", ('"index"', '"ISBN-10"', '"Format"', '"Language"'), RowStream(lines), "")
        bucket.create()
        _write_hour(shop, bucket, next(hours))
    for hour in hours:
        _write_hour(shop, bucket, hour)


def _write_hour(shop: Shop, bucket: BucketWriter, hour: Hour) -> None:
    for key, content in shop.files(hour):
        bucket.write(hour, key, content)
    if not (shop.plan.open_hour and hour + 1 == shop.plan.span.until):
        bucket.close_hour(hour)
