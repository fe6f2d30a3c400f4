"""How hours stand: loaded, failed, skipped, pending, overdue, missing; and hours that are given up."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from bookreport import ledger, reports
from bookreport.database import Database
from bookreport.errors import Locked, NotReady, Usage
from bookreport.health import Status, status
from bookreport.hours import Hour, Span
from bookreport.loader import Loader, Outcome
from bookreport.source import Bucket
from bookstore import ENGLISH, HOUR, UNKNOWN, Bookstore, csv_file
from conftest import Sql
from truth import Purchase

GOOD = csv_file([Purchase("u1", ENGLISH), Purchase("u2", UNKNOWN)])
DIRTY = GOOD + b"u3,0306406152,no number,1.00\n"
BAD = b"who,what\n"

Load = Callable[..., Outcome]
MakeLoader = Callable[..., Loader]


@pytest.fixture
def see(database: Database, bucket: Bucket) -> Callable[..., Status]:
    def run(since: Hour | None = None, until: Hour | None = None, days: int = 7) -> Status:
        return status(database, bucket, since, until, lookback=timedelta(days=days))

    return run


@pytest.fixture
def skip(database: Database) -> Callable[[Hour, str], None]:
    def run(hour: Hour, reason: str) -> None:
        with database.transaction() as transaction:
            ledger.skip(transaction, hour, reason)

    return run


def test_every_hour_between_the_oldest_and_the_newest_known_is_told_once(
    bookstore: Bookstore, load: Load, see: Callable[..., Status], skip: Callable[..., None]
) -> None:
    bookstore.fill(HOUR, GOOD)
    bookstore.fill(HOUR + 1, DIRTY)
    bookstore.fill(HOUR + 2, BAD)
    for number in range(3):
        load(HOUR + number, reject_limit="10")
    skip(HOUR + 4, "the shop was closed")
    bookstore.fill(HOUR + 5, GOOD)
    bookstore.write(HOUR + 6, "purchases-1.csv", GOOD)
    bookstore.fill(HOUR + 8, GOOD)
    assert load(HOUR + 8).outcome == "loaded"
    bookstore.write(HOUR + 10, "purchases-1.csv", GOOD)
    found = see()
    assert (found.newest_loaded, found.loaded) == (HOUR + 8, 3)
    assert [(failure.hour, failure.attempts) for failure in found.failed] == [(HOUR + 2, 1)]
    assert "who" in found.failed[0].error
    assert found.skipped == ((HOUR + 4, "the shop was closed"),)
    assert found.pending == (HOUR + 5,)
    assert found.overdue == (HOUR + 6, HOUR + 10)
    assert found.missing == (HOUR + 3, HOUR + 7, HOUR + 9)
    assert (found.rejected_rows, found.rows_unmatched) == (1, 3)


def test_a_span_bounds_all_but_the_failed_hours(
    bookstore: Bookstore, load: Load, see: Callable[..., Status], skip: Callable[..., None]
) -> None:
    bookstore.fill(HOUR, BAD)
    load(HOUR)
    for number in (2, 4):
        bookstore.fill(HOUR + number, GOOD)
        load(HOUR + number)
    skip(HOUR + 5, "never came")
    found = see(HOUR + 3, HOUR + 5)
    assert (found.loaded, found.newest_loaded, found.skipped, found.missing) == (1, HOUR + 4, (), ())
    assert [failure.hour for failure in found.failed] == [HOUR]
    assert see(HOUR, HOUR + 3).missing == (HOUR + 1,)


def test_nothing_is_known_before_the_first_hour(see: Callable[..., Status], bookstore: Bookstore) -> None:
    assert see() == Status(None, 0, 0, (), (), (), (), (), 0, 0)
    bookstore.fill(HOUR + 1, GOOD)
    assert see().pending == (HOUR + 1,)


def test_the_hour_that_is_being_written_is_not_overdue(bookstore: Bookstore, see: Callable[..., Status]) -> None:
    now = Hour.last() + 1
    bookstore.write(now, "purchases-1.csv", GOOD)
    bookstore.write(now + -3, "purchases-1.csv", GOOD)
    assert see().overdue == (now + -3,)


def test_a_skipped_hour_is_not_tried_again_and_each_report_tells_it(
    bookstore: Bookstore, load: Load, make_loader: MakeLoader, database: Database, skip: Callable[..., None]
) -> None:
    bookstore.fill(HOUR, BAD)
    bookstore.fill(HOUR + 1, GOOD)
    load(HOUR)
    load(HOUR + 1)
    assert make_loader().pending() == [HOUR]
    skip(HOUR, "its files are lost")
    assert make_loader().pending() == []
    assert make_loader().pending(everything=True) == []
    made = reports.make_report(database, Span(HOUR, HOUR + 2))
    assert (made.missing, made.skipped, made.pruned) == ((HOUR,), (HOUR,), ())
    with pytest.raises(NotReady):
        reports.make_report(database, Span(HOUR, HOUR + 2), require_complete=True)


@pytest.mark.parametrize("content", [GOOD, BAD])
def test_a_skipped_hour_is_taken_up_again_by_loading_it(
    bookstore: Bookstore, load: Load, see: Callable[..., Status], skip: Callable[..., None], content: bytes
) -> None:
    skip(HOUR, "late")
    bookstore.fill(HOUR, content)
    outcome = load(HOUR, again=True)
    found = see()
    assert found.skipped == ()
    assert (found.loaded, len(found.failed)) == ((1, 0) if content == GOOD else (0, 1))
    assert outcome.attempt == 1


def test_a_loaded_hour_is_not_given_up(bookstore: Bookstore, load: Load, skip: Callable[..., None], sql: Sql) -> None:
    bookstore.fill(HOUR, GOOD)
    load(HOUR)
    with pytest.raises(Usage, match="is loaded"):
        skip(HOUR, "a mistake")
    assert sql("select status, reason from ledger") == [("loaded", None)]


def test_an_hour_that_is_being_loaded_is_not_given_up(database: Database, skip: Callable[..., None]) -> None:
    with database.transaction() as transaction:
        assert transaction.try_lock(HOUR.instant)
        with pytest.raises(Locked, match="by another run"):
            skip(HOUR, "impatience")
