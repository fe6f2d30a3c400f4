"""Days that are built: whatever happens to them, each report says what plain Python counts."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from bookreport import catalogue, days, erase, health, ledger, prune, purchases, reports
from bookreport.bucket import Bucket
from bookreport.database import Database, Transaction
from bookreport.errors import BookreportError, Locked, Temporary
from bookreport.files import Source
from bookreport.hours import Hour, Span
from bookreport.ledger import Attempt
from bookreport.present.report import report_json
from bookreport.run import Ended
from bookstore import isbn, write_books
from connection import Sql
from loading import MakeRun
from truth import Book, Purchase, figures
from truth import report as truth

DAY = Hour.parse("2024-02-29T00")
FIRST = Hour.parse("2024-02-28T20")
PRICES = ("9.99", "1.255")
LANGUAGES = ("Spanish", "spanish ", "English", "SPANISH", None)
INSERT = text(
    "insert into purchase_rows (user_id, isbn10, quantity, unit_price)"
    " values (:user_id, :isbn10, :quantity, cast(:unit_price as numeric))"
)


class Shop:
    """Hours that are loaded without files, and the same hours in plain Python."""

    def __init__(self, database: Database, sql: Sql) -> None:
        self.database = database
        self.sql = sql
        self.loaded: dict[Hour, list[Purchase]] = {}
        self.summed: dict[Hour, list[Purchase]] = {}
        """Pruned hours whose sums were kept."""
        self.books: list[Book] = []

    def load(self, hour: Hour, sold: list[Purchase]) -> None:
        with self.loading(hour, sold):
            pass
        self.loaded[hour] = sold
        self.summed.pop(hour, None)

    @contextmanager
    def loading(self, hour: Hour, sold: list[Purchase]) -> Iterator[None]:
        """Load as the loader does; its transaction commits after the block."""
        with self.database.transaction() as transaction:
            purchases.ensure_month(transaction, hour)
        with self.database.transaction() as transaction:
            ledger.lock(transaction, hour)
            purchases.begin_hour(transaction, hour)
            purchases.remove(transaction, hour)
            if sold:
                transaction.connection.execute(INSERT, [vars(each) for each in sold])
            purchases.add_up(transaction, hour)
            after = purchases.group(transaction, hour)
            attempt = Attempt(uuid4(), hour, datetime.now(UTC), {})
            ledger.record_load(transaction, attempt, Source("s3", "bookstore", ""), datetime.now(UTC), [], None, after)
            yield

    def change_books(self, books: list[Book]) -> None:
        self.books = books
        write_books(self.sql, books)
        catalogue.refresh(self.database)

    def prune(self, before: Hour, *, keep_sums: bool) -> None:
        for month in prune.prunable(self.database, before, keep_sums=keep_sums):
            prune.prune(self.database, month, keep_sums=keep_sums)
        gone = {hour: sold for hour, sold in (self.loaded | self.summed).items() if hour < before}
        self.loaded = {hour: sold for hour, sold in self.loaded.items() if hour >= before}
        self.summed = {hour: sold for hour, sold in self.summed.items() if hour >= before} | (gone if keep_sums else {})

    def forget(self, hour: Hour) -> None:
        prune.forget(self.database, Span.of_hour(hour))
        self.loaded.pop(hour, None)
        self.summed.pop(hour, None)

    def erase(self, user: str) -> None:
        found = erase.traces(self.database, [user])
        erase.erase(self.database, {user: [trace.hour for trace in found[user]]})
        other = f"not {user} {uuid4()}"
        for hour, sold in self.loaded.items():
            self.loaded[hour] = [replace(each, user_id=other) if each.user_id == user else each for each in sold]

    def upgrade(self) -> None:
        """Make the database one from before there were days and sums by format."""
        self.sql("truncate group_sums, unmatched_sums, user_numbers, built_days, day_users")

    def build(self) -> list[Span]:
        return list(days.build(self.database, days.missing(self.database)))

    @property
    def built(self) -> list[Hour]:
        return [Hour(row[0]) for row in self.sql("select day from built_days order by day")]

    def require_right(self, span: Span, language: str = "Spanish") -> None:
        """The report of a span says what Python does."""
        bought = [each for hour in span for each in self.loaded.get(hour, ())]
        sold = bought + [each for hour in span for each in self.summed.get(hour, ())]
        if not any(hour in self.loaded or hour in self.summed for hour in span):
            return
        made = reports.make_report(self.database, span, [language])
        expected = truth(sold, self.books, language)
        expected["buyers"] = truth(bought, self.books, language)["buyers"]
        assert figures(report_json(made)) == expected


@pytest.fixture
def shop(database: Database, sql: Sql) -> Shop:
    return Shop(database, sql)


def some_books(chance: random.Random) -> list[Book]:
    numbers = chance.sample(range(1, 40), 30)
    return [Book(isbn(each), chance.choice(("eBook", "Paperback")), chance.choice(LANGUAGES)) for each in numbers]


def some_sales(chance: random.Random) -> list[Purchase]:
    return [
        Purchase(f"u{chance.randrange(200)}", isbn(chance.randrange(1, 45)), chance.choice((1, 3)), chance.choice(PRICES))
        for _ in range(chance.choice((0, 1, 20, 60)))
    ]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_each_report_says_what_plain_python_counts(shop: Shop, seed: int) -> None:
    chance = random.Random(seed)
    hours = list(Span(FIRST, FIRST + 80))

    def change_a_book() -> None:
        book = chance.choice(shop.books)
        changed = Book(book.isbn10, chance.choice((book.format, "Audio")), chance.choice(LANGUAGES))
        shop.change_books([changed if each == book else each for each in shop.books])

    actions: list[Callable[[], object]] = [
        *(lambda: shop.load(chance.choice(hours), some_sales(chance)),) * 10,
        *(shop.build,) * 6,
        *(change_a_book,) * 2,
        lambda: shop.change_books(some_books(chance)),
        lambda: shop.forget(chance.choice(hours)),
        lambda: shop.erase(f"u{chance.randrange(200)}"),
        lambda: shop.prune(chance.choice(hours[:20]), keep_sums=chance.choice((True, False))),
        shop.upgrade,
    ]
    shop.change_books(some_books(chance))
    for hour in chance.sample(hours, 60):
        shop.load(hour, some_sales(chance))
    for _ in range(30):
        chance.choice(actions)()
        since = chance.choice(hours)
        day = Hour(since.start.replace(hour=0))
        for span in (Span(since, since + chance.choice((1, 5, 30, 80))), Span(day, day + chance.choice((24, 48)))):
            shop.require_right(span, chance.choice(("Spanish", "english")))
    shop.build()
    shop.require_right(Span(FIRST, FIRST + 80))
    assert len(shop.built) > 1
    assert shop.sql("select user_id from user_numbers except select user_id from purchase_rows") == []


@pytest.fixture
def filled(shop: Shop) -> Shop:
    """Two whole days and the first hours of a third, none of them built."""
    chance = random.Random(8)
    shop.change_books([Book(isbn(number), "eBook", LANGUAGES[number % 5]) for number in range(1, 40)])
    for hour in Span(DAY, DAY + 50):
        shop.load(hour, some_sales(chance))
    return shop


def require_days_right(shop: Shop) -> None:
    for span in (Span(DAY, DAY + 24), Span(DAY, DAY + 48), Span(DAY + 3, DAY + 50)):
        shop.require_right(span)


def test_closed_days_are_built_once_oldest_first(filled: Shop) -> None:
    assert filled.build() == [Span(DAY, DAY + 24), Span(DAY + 24, DAY + 48)]
    assert filled.build() == []
    require_days_right(filled)


def test_a_day_is_closed_when_all_its_hours_are_loaded_or_a_later_one_has_begun(shop: Shop) -> None:
    for hour in (DAY, DAY + 5):
        shop.load(hour, [Purchase("ana", isbn(1))])
    assert shop.build() == []
    shop.load(DAY + 24, [Purchase("ana", isbn(1))])
    assert shop.build() == [Span(DAY, DAY + 24)]
    for hour in Span(DAY + 25, DAY + 48):
        shop.load(hour, [])
    assert shop.build() == [Span(DAY + 24, DAY + 48)]


def test_no_rows_of_a_built_day_are_read(filled: Shop, sql: Sql) -> None:
    filled.build()
    sql("delete from purchase_rows where hour < %s", (DAY + 48).start)
    filled.require_right(Span(DAY, DAY + 50))


def test_a_built_day_without_a_sale_hides_nothing(shop: Shop) -> None:
    shop.change_books([Book(isbn(1), "eBook", "Spanish")])
    shop.load(DAY, [])
    shop.load(DAY + 24, [Purchase("ana", isbn(1))])
    assert shop.build() == [Span(DAY, DAY + 24)]
    shop.require_right(Span(DAY, DAY + 25))


@pytest.mark.parametrize("others", [1, 60])
def test_few_or_many_users_beside_built_days_are_counted_once(filled: Shop, others: int) -> None:
    filled.build()
    bought = [Purchase(f"u{number}", isbn(1)) for number in range(others)]
    filled.load(DAY + 60, [*bought, Purchase("new", isbn(5))])
    filled.require_right(Span(DAY + 24, DAY + 48))
    spans = [Span(DAY, DAY + 24), Span(DAY + 24, DAY + 48), Span(DAY + 48, DAY + 50), Span(DAY + 50, DAY + 61)]
    for first in range(4):
        filled.require_right(Span(spans[first].since, DAY + 61))
    with filled.database.transaction(snapshot=True) as transaction:
        counted = days.count(transaction, spans, ["Spanish"])
        assert counted == [days.count(transaction, [span], ["Spanish"])[0] for span in spans]


def test_an_hour_that_is_loaded_while_its_day_is_built_makes_the_day_stale(filled: Shop) -> None:
    with filled.loading(DAY + 7, [Purchase("eva", isbn(5))]):
        filled.build()
        assert filled.built == [DAY, DAY + 24]
    filled.loaded[DAY + 7] = [Purchase("eva", isbn(5))]
    require_days_right(filled)
    assert filled.build() == [Span(DAY, DAY + 24)]
    require_days_right(filled)


@pytest.mark.parametrize("statement", ["make_bought", "number_users", "delete_bits", "insert_bits", "record_built"])
def test_a_build_that_dies_leaves_everything_right_and_the_next_goes_on(
    filled: Shop, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.build()
    filled.load(DAY + 7, [Purchase("eva", isbn(5))])
    run = Transaction.run

    def die(transaction: Transaction, name: str, /, *batch: dict[str, Any], **parameters: Any) -> int:
        if name == f"days/{statement}":
            transaction.raw.close()
        return run(transaction, name, *batch, **parameters)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "run", die)
        with pytest.raises(BookreportError):
            filled.build()
    require_days_right(filled)
    assert filled.build() == [Span(DAY, DAY + 24)]
    require_days_right(filled)


@pytest.mark.parametrize("change", ["books", "hour"])
def test_a_day_that_changes_while_it_is_built_is_left_for_the_next_time(
    filled: Shop, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Transaction.run

    def interfere(transaction: Transaction, name: str, /, *batch: dict[str, Any], **parameters: Any) -> int:
        if name == "days/insert_bits":
            monkeypatch.undo()
            if change == "books":
                filled.change_books([Book(isbn(number), "eBook", LANGUAGES[number % 4]) for number in range(1, 40)])
            else:
                filled.load(DAY + 7, [Purchase("eva", isbn(5))])
        return run(transaction, name, *batch, **parameters)

    monkeypatch.setattr(Transaction, "run", interfere)
    assert filled.build() == [Span(DAY + 24, DAY + 48)]
    require_days_right(filled)
    assert filled.build() == [Span(DAY, DAY + 24)]
    require_days_right(filled)


def test_only_days_that_sold_a_book_whose_language_changed_are_stale(filled: Shop) -> None:
    filled.load(DAY + 30, [Purchase("eva", isbn(99))])
    filled.build()
    filled.change_books([*filled.books, Book(isbn(99), "eBook", "Spanish"), Book(isbn(98), "eBook", "Spanish")])
    assert filled.built == [DAY]
    require_days_right(filled)
    filled.build()
    filled.change_books([replace(book, format="Audio") for book in filled.books])
    assert filled.built == [DAY, DAY + 24]
    require_days_right(filled)


@pytest.mark.usefixtures("impatient")
def test_a_refresh_waits_for_a_load_that_has_read_the_catalogue(filled: Shop) -> None:
    with filled.loading(DAY + 50, [Purchase("eva", isbn(5))]), pytest.raises(Locked):
        filled.change_books([])
    filled.loaded[DAY + 50] = [Purchase("eva", isbn(5))]
    filled.change_books([])
    filled.require_right(Span(DAY, DAY + 51))


def test_a_run_builds_days_and_fails_for_none(
    filled: Shop, make_run: MakeRun, sql: Sql, warnings: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled.database.transaction() as transaction:
        transaction.lock("days")
        make_run(new_source=True).build_days(Ended())
    assert (filled.built, warnings()) == ([], [])
    sql("alter table day_users rename to gone")
    make_run(new_source=True).build_days(Ended())
    assert (filled.built, len(warnings())) == ([], 1)
    sql("alter table gone rename to day_users")
    make_run(new_source=True).build_days(Ended(failure=Temporary("the disk is full")))
    assert filled.built == []
    monkeypatch.setattr("bookreport.run.BUILD_SECONDS", 0)
    make_run(new_source=True).build_days(Ended())
    assert filled.built == [DAY]


@pytest.mark.parametrize(
    ("corrupt", "told"),
    [
        ("delete from day_users where language = 'Spanish'", "buyers in Spanish of the day"),
        ("update day_users set bits = ~bits where language is null", "users of the day"),
        ("update user_numbers set number = number + 7000", "users of the day"),
        ("update group_sums set format = 'Audio' where language = 'Spanish'", "the sums by format and language"),
        ("update group_sums set books_sold = books_sold + 1 where language = 'Spanish'", "books sold by format and language"),
        ("delete from unmatched_sums", "unmatched rows"),
        ("insert into unmatched_sums values ('2020-01-01', 'x', 1, 1, 1)", "unmatched rows"),
        ("insert into group_sums values ('2020-01-01', true, 'x', 'y', 1, 1, 1)", "rows by format and language"),
    ],
)
def test_verify_finds_what_is_stored_and_wrong(filled: Shop, bucket: Bucket, sql: Sql, corrupt: str, told: str) -> None:
    filled.load(DAY + 3, [Purchase("eva", isbn(99))])
    filled.build()

    def found() -> set[str]:
        differences = health.verify(filled.database, bucket).differences
        return {each.message.split(":")[0] for each in differences if each.kind == "sums"}

    assert found() == set()
    sql(corrupt)
    assert any(each.startswith(told) for each in found())


def test_an_erased_user_stays_one_person_and_leaves_no_id(filled: Shop, sql: Sql) -> None:
    filled.load(DAY + 3, [Purchase("maria", isbn(1))])
    filled.load(DAY + 49, [Purchase("maria", isbn(1))])
    filled.build()
    filled.erase("maria")
    filled.require_right(Span(DAY, DAY + 50))
    assert sql("select count(*) from user_numbers where user_id = 'maria'") == [(0,)]


def test_what_is_pruned_forgotten_or_reloaded_leaves_no_user_behind(filled: Shop, sql: Sql) -> None:
    hours = {"pruned": DAY + 3, "forgotten": DAY + 30, "reloaded": DAY + 31}
    for user, hour in hours.items():
        filled.load(hour, [Purchase(user, isbn(1)), Purchase("ana", isbn(1))])
    filled.build()
    users = "select user_id from user_numbers where user_id in ('pruned', 'forgotten', 'reloaded') order by 1"
    assert sql(users) == [("forgotten",), ("pruned",), ("reloaded",)]
    filled.prune(DAY + 24, keep_sums=True)
    assert sql(users) == [("forgotten",), ("reloaded",)]
    filled.forget(DAY + 30)
    filled.load(DAY + 31, [])
    filled.build()
    assert sql(users) == []
    require_days_right(filled)
