"""Sample books and purchases: the same seed makes the same data."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

from bookreport.database import Database
from bookreport.errors import Configuration
from bookreport.hours import Hour, Span
from bookreport.source import BucketWriter

FORMATS = ("Hardcover", "Paperback", "eBook", "Audiobook")
LANGUAGES = {"English": 60, "Spanish": 20, "French": 8, "German": 7, "Italian": 5}
"""Languages, and how many of a hundred books are in each."""

SPELLINGS = (
    ("user_id", "isbn10", "quantity", "unit_price", "purchased_at"),
    ("Purchased At", "ISBN-10", "User ID", "Qty", "Price"),
    ("customer_id", "timestamp", "isbn", "copies", "book_price"),
)
"""Headers of the files, in turn; every column stands for the same thing by its place in MEANINGS."""

MEANINGS = (
    ("user_id", "isbn10", "quantity", "unit_price", "purchased_at"),
    ("purchased_at", "isbn10", "user_id", "quantity", "unit_price"),
    ("user_id", "purchased_at", "isbn10", "quantity", "unit_price"),
)

FILES_PER_HOUR = 3


@dataclass(frozen=True)
class Plan:
    """What to write: `hours` from `since` on with `rows` purchases each, of `titles` books.

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


@dataclass(frozen=True)
class Book:
    """A title of the sample catalogue."""

    isbn10: str
    format: str
    language: str
    cents: int


def check_digit(nine: str) -> str:
    """Return the tenth character of the ISBN-10 that starts with these nine digits."""
    remainder = sum(place * int(digit) for place, digit in enumerate(nine, 1)) % 11
    return "X" if remainder == 10 else str(remainder)


def books(plan: Plan) -> list[Book]:
    """Return the plan's catalogue."""
    chance = random.Random(f"{plan.seed} books")
    made = []
    for number in chance.sample(range(10**6), plan.titles):
        nine = f"{number:09}"
        language = chance.choices(list(LANGUAGES), list(LANGUAGES.values()))[0]
        made.append(Book(nine + check_digit(nine), chance.choice(FORMATS), language, chance.randrange(299, 4999)))
    return made


def files(plan: Plan, catalogue: list[Book], hour: Hour) -> Iterator[tuple[str, bytes]]:
    """Give the names and the contents of the hour's files."""
    chance = random.Random(f"{plan.seed} {hour}")
    dirty = set(chance.sample(range(plan.rows), min(plan.dirt, plan.rows)))
    outputs = [io.StringIO(newline="") for _ in range(FILES_PER_HOUR)]
    writers = [csv.writer(output, lineterminator="\n") for output in outputs]
    for writer, spelling in zip(writers, SPELLINGS, strict=True):
        writer.writerow(spelling)
    users = max(10, plan.rows * 2)
    for number in range(plan.rows):
        book = chance.choice(catalogue)
        # One sale in a hundred is of a book that the catalogue does not have.
        isbn10 = "9" + book.isbn10[1:] if chance.random() < 0.01 else book.isbn10
        purchase = {
            "user_id": f"user{chance.randrange(users):06}",
            "isbn10": isbn10,
            "quantity": chance.choices((1, 2, 3), (90, 8, 2))[0],
            "unit_price": f"{book.cents // 100}.{book.cents % 100:02}",
            "purchased_at": f"{hour}:{chance.randrange(60):02}:{chance.randrange(60):02}Z",
        }
        if number in dirty:
            purchase["unit_price"] = "n/a"
        place = number * FILES_PER_HOUR // plan.rows
        writers[place].writerow([purchase[meaning] for meaning in MEANINGS[place]])
    for number, output in enumerate(outputs, 1):
        content = output.getvalue().encode()
        if number == FILES_PER_HOUR:
            yield f"purchases-{number:03}.csv.gz", gzip.compress(content, mtime=0)
        else:
            yield f"purchases-{number:03}.csv", content


def write(plan: Plan, database: Database, bucket: BucketWriter) -> None:
    """Write the plan's books into the database and its purchases into the bucket.

    Raises Configuration, before anything is written, when the database or the bucket holds any data already.
    """
    with database.transaction(search_path="") as transaction:
        tables = [row.name for row in transaction.rows("tables_with_data", schema=database.schema)]
    if tables:
        raise Configuration(
            f"the database holds data already: {', '.join(tables[:5])}", hint="samples go into an empty database alone"
        )
    if not bucket.is_empty():
        raise Configuration(f"the bucket {bucket.name!r} holds data already", hint="samples go into an empty bucket alone")
    catalogue = books(plan)
    with database.transaction(search_path="") as transaction:
        transaction.script('create table books ("index" bigint, "ISBN-10" text, "Format" text, "Language" text)')
        transaction.run(
            "insert_sample_book",
            *(
                {"number": number, "isbn10": book.isbn10, "format": book.format, "language": book.language}
                for number, book in enumerate(catalogue)
            ),
        )
    bucket.create()
    for hour in plan.span:
        for key, content in files(plan, catalogue, hour):
            bucket.write(hour, key, content)
        if not (plan.open_hour and hour == plan.since + (plan.hours - 1)):
            bucket.close_hour(hour)
