"""The status of hours: loaded, failed, skipped, pending, overdue, missing."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from bookreport import catalogue, ledger, reports
from bookreport.bucket import Bucket
from bookreport.check import Check, check
from bookreport.database import Database
from bookreport.errors import Locked, NotReady, Usage
from bookreport.health import MOST_MISSING, Status, status
from bookreport.hours import Hour, Span
from bookreport.present.state import status_json, status_text
from bookstore import BOOKS, ENGLISH, FRENCH, HOUR, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql
from loading import Load, MakeRun, everything, held
from truth import Book, Purchase

GOOD = csv_file([Purchase("u1", ENGLISH), Purchase("u2", UNKNOWN)])
DIRTY = GOOD + b"u3,0306406152,no number,1.00\n"
BAD = b"who,what\n"


@pytest.fixture
def see(database: Database, bucket: Bucket) -> Callable[..., Status]:
    def run(since: Hour | None = None, until: Hour | None = None, hours: int = 7 * 24) -> Status:
        return status(database, bucket, since, until, lookback=timedelta(hours=hours))

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
    assert f"2 hours (files, but no FULL from whoever writes them): {HOUR + 6}, {HOUR + 10}" in status_text(found)
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
    assert see() == Status()
    bookstore.fill(HOUR + 1, GOOD)
    assert see().pending == (HOUR + 1,)


def test_the_hour_that_is_being_written_is_not_overdue(bookstore: Bookstore, see: Callable[..., Status]) -> None:
    now = Hour.last() + 1
    bookstore.write(now, "purchases-1.csv", GOOD)
    bookstore.write(now + -3, "purchases-1.csv", GOOD)
    assert see().overdue == (now + -3,)


def test_a_skipped_hour_is_not_tried_again_and_each_report_tells_it(
    bookstore: Bookstore, load: Load, make_run: MakeRun, database: Database, skip: Callable[..., None]
) -> None:
    bookstore.fill(HOUR, BAD)
    bookstore.fill(HOUR + 1, GOOD)
    load(HOUR)
    load(HOUR + 1)
    assert make_run().pending() == [HOUR]
    skip(HOUR, "its files are lost")
    assert make_run().pending() == []
    assert make_run().pending(everything=True) == []
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


@pytest.mark.parametrize("content", [None, BAD])
def test_a_skip_that_is_taken_back_leaves_the_hour_as_it_was(
    bookstore: Bookstore, load: Load, skip: Callable[..., None], database: Database, sql: Sql, content: bytes | None
) -> None:
    if content is not None:
        bookstore.fill(HOUR, content)
        load(HOUR)
    before = everything(sql)
    skip(HOUR, "a mistake")
    assert everything(sql) != before
    assert ledger.unskip(database, HOUR) == (None if content is None else "failed")
    assert everything(sql) == before


def test_an_hour_that_is_no_longer_skipped_is_loaded_by_the_next_run(
    bookstore: Bookstore, make_run: MakeRun, database: Database, skip: Callable[..., None]
) -> None:
    bookstore.fill(HOUR, GOOD)
    skip(HOUR, "a mistake")
    assert make_run().pending() == []
    ledger.unskip(database, HOUR)
    assert make_run().pending() == [HOUR]


def test_only_a_skip_is_taken_back_and_not_while_the_hour_is_loaded(
    bookstore: Bookstore, load: Load, skip: Callable[..., None], database: Database, sql: Sql
) -> None:
    bookstore.fill(HOUR, GOOD)
    bookstore.fill(HOUR + 1, BAD)
    load(HOUR)
    load(HOUR + 1)
    skip(HOUR + 3, "a mistake")
    before = everything(sql)
    for number in range(3):
        with pytest.raises(Usage, match="is not skipped"):
            ledger.unskip(database, HOUR + number)
    with held(database, HOUR + 3), pytest.raises(Locked, match="by another session"):
        ledger.unskip(database, HOUR + 3)
    assert everything(sql) == before


DAY = timedelta(days=1)


def test_an_hour_far_from_all_that_were_tried_is_not_given_up(
    bookstore: Bookstore, load: Load, skip: Callable[..., None], database: Database, sql: Sql
) -> None:
    bookstore.fill(HOUR, GOOD)
    bookstore.fill(HOUR + 2, BAD)
    load(HOUR)
    load(HOUR + 2)
    # A skip that was mistyped makes no further one near, and so does an hour of a year that has not come.
    skip(HOUR + 1000, "mistyped")
    sql("insert into ledger (hour, status) values ('2062-05-01 13:00Z', 'loaded')")
    for hour in (HOUR + -25, HOUR + 27, HOUR + 1001):
        with pytest.raises(Usage, match=f"far from all hours tried so far, {HOUR} to {HOUR + 2}") as caught:
            ledger.skip(database, Span.of_hour(hour), "a mistake", within=DAY)
        assert "--far" in str(caught.value.hint)
    for hour in (HOUR + -24, HOUR + 1, HOUR + 26):
        ledger.skip(database, Span.of_hour(hour), "it never comes", within=DAY)
    assert sql("select count(*) from ledger where status = 'skipped'") == [(4,)]


def test_before_any_load_no_hour_is_far(database: Database, skip: Callable[..., None]) -> None:
    skip(HOUR)
    ledger.skip(database, Span.of_hour(HOUR + -10_000), "the shop opened later", within=DAY)


def test_a_loaded_hour_whose_reload_failed_is_told_until_one_succeeds(
    bookstore: Bookstore, load: Load, see: Callable[..., Status]
) -> None:
    for number in range(2):
        bookstore.fill(HOUR + number, GOOD)
        load(HOUR + number)
    assert see().failed_reloads == ()
    bookstore.fill(HOUR, BAD)
    load(HOUR, again=True)
    found = see()
    assert (found.loaded, found.failed) == (2, ())
    (failure,) = found.failed_reloads
    assert (failure.hour, failure.attempts) == (HOUR, 2)
    assert status_json(found)["failed_reloads"] == [{"hour": HOUR.instant, "attempts": 2, "error": failure.error}]
    url = f"s3://bookstore/{HOUR.partition}purchases-1.csv"
    assert f"{HOUR}, but its last reload failed; the earlier load counts: {url}: line 1" in status_text(found)
    assert see(HOUR + 1, HOUR + 2).failed_reloads == ()
    bookstore.fill(HOUR, GOOD)
    load(HOUR, again=True)
    assert see().failed_reloads == ()


def test_of_a_span_all_hours_are_given_up_or_none(bookstore: Bookstore, load: Load, database: Database, sql: Sql) -> None:
    bookstore.fill(HOUR + 2, GOOD)
    load(HOUR + 2)
    with pytest.raises(Usage, match=f"{HOUR + 2} is loaded; .* nothing was skipped"):
        ledger.skip(database, Span(HOUR, HOUR + 3), "an outage")
    assert sql("select count(*) from ledger") == [(1,)]
    with pytest.raises(Usage, match="far from all hours tried"):
        ledger.skip(database, Span(HOUR + -30, HOUR), "an outage", within=DAY)
    ledger.skip(database, Span(HOUR + -20, HOUR + 2), "an outage", within=DAY)
    assert sql("select count(*), min(hour), max(hour) from ledger where status = 'skipped'") == [
        (22, (HOUR + -20).start, (HOUR + 1).start)
    ]


def test_a_loaded_hour_is_not_given_up(bookstore: Bookstore, load: Load, skip: Callable[..., None], sql: Sql) -> None:
    bookstore.fill(HOUR, GOOD)
    load(HOUR)
    with pytest.raises(Usage, match="is loaded"):
        skip(HOUR, "a mistake")
    assert sql("select status, reason from ledger") == [("loaded", None)]


def test_an_hour_that_is_being_loaded_is_not_given_up(database: Database, skip: Callable[..., None]) -> None:
    with held(database, HOUR), pytest.raises(Locked, match="by another session"):
        skip(HOUR, "impatience")


def test_a_skipped_hour_that_is_complete_after_all_is_told(
    bookstore: Bookstore, see: Callable[..., Status], skip: Callable[..., None], database: Database, bucket: Bucket
) -> None:
    for number in range(3):
        skip(HOUR + number, "never came")

    def checked() -> Check:
        return next(found for found in check(database, bucket, "Spanish") if found.name == "skipped")

    assert (see().come, checked().ok) == ((), True)
    bookstore.write(HOUR, "purchases-1.csv", GOOD)
    assert (see().come, checked().ok) == ((), True)
    bookstore.fill(HOUR + 1, GOOD)
    assert (see().come, checked().ok) == ((HOUR + 1,), False)
    assert isinstance(checked().error, NotReady)
    assert checked().message == f"1 hour skipped, but complete now: {HOUR + 1}"
    assert checked().hint == f"load it: bookreport run-hour --hour {HOUR + 1}"
    assert see(HOUR + 2).come == ()
    assert f"{HOUR + 1}: never came; complete now" in status_text(see())
    assert status_json(see())["skipped_complete"] == [(HOUR + 1).instant]


def test_unmatched_rows_follow_the_catalogue(
    bookstore: Bookstore, load: Load, see: Callable[..., Status], sql: Sql, database: Database
) -> None:
    sales = [[Purchase("u1", ENGLISH), Purchase("u2", UNKNOWN)], [Purchase("u1", UNKNOWN)] * 3, [Purchase("u3", FRENCH)]]
    for number, purchases in enumerate(sales):
        bookstore.fill(HOUR + number, csv_file(purchases))
        load(HOUR + number)

    def unmatched(books: Sequence[Book], hours: Sequence[list[Purchase]] = sales) -> int:
        known = {book.isbn10 for book in books}
        return sum(purchase.isbn10 not in known for purchases in hours for purchase in purchases)

    assert see().rows_unmatched == unmatched(BOOKS) == 4
    for books in ([*BOOKS, Book(UNKNOWN, "eBook", "Welsh")], BOOKS[:2], ()):
        write_books(sql, books)
        catalogue.refresh(database)
        assert see().rows_unmatched == unmatched(books)
        assert see(HOUR + 1, HOUR + 2).rows_unmatched == unmatched(books, sales[1:2])
    sql("update source set looked_through_at = now()")
    assert see(hours=1).rows_unmatched == unmatched((), sales[1:])


def test_what_lies_before_the_look_back_is_counted_and_is_not_missing(
    bookstore: Bookstore, load: Load, see: Callable[..., Status], sql: Sql
) -> None:
    for number in (0, 10, 20, 21):
        bookstore.fill(HOUR + number, BAD if number == 0 else GOOD)
    for number in (0, 20, 21):
        load(HOUR + number)
    for number in (-5, 11):
        bookstore.write(HOUR + number, "purchases-1.csv", GOOD)
    assert (see(hours=3).unlooked, see(hours=3).pending) == (0, (HOUR + 10,))
    sql("update source set looked_through_at = now()")
    found = see(hours=3)
    assert (found.looked_from, found.unlooked, found.pending) == (HOUR + 18, 3, ())
    assert found.gaps == (Span(HOUR + 1, HOUR + 10), Span(HOUR + 12, HOUR + 20))
    assert see(HOUR + 20).unlooked == 0
    assert "3 hours (in the bucket before 2024-05-02T07, not loaded)" in status_text(found)


def test_what_lies_beside_the_hours_is_told(bookstore: Bookstore, see: Callable[..., Status]) -> None:
    bookstore.fill(HOUR, GOOD)
    assert see().stray == ()
    for number in range(8):
        bookstore.put(f"year=2024/{number}.csv", GOOD)
    found = see()
    assert status_json(found)["stray"] == [f"year=2024/{number}.csv" for number in range(8)]
    assert "\nStray     year=2024/0.csv, year=2024/1.csv, " in status_text(found)
    assert "year=2024/5.csv and 2 more (in no hour's partition, not loaded): move them, or" in status_text(found)


def test_missing_hours_are_spans_and_so_many_are_named_one_by_one(sql: Sql, see: Callable[..., Status]) -> None:
    years = [Hour.of(year, 1, 1, 0) for year in (1996, 2010, 2024)]
    for hour in years:
        sql("insert into ledger (hour, status) values (%s, 'loaded')", hour.start)
    found = see()
    gaps = [Span(years[0] + 1, years[1]), Span(years[1] + 1, years[2])]
    assert list(found.gaps) == gaps
    assert found.missing_hours == sum(len(gap) for gap in gaps)
    assert list(found.missing) == [years[2] + -number for number in range(MOST_MISSING, 0, -1)]
    document = status_json(found)
    assert (document["missing_hours"], document["missing_is_cut"]) == (found.missing_hours, True)
    assert document["missing_spans"] == [
        {"since": gap.since.instant, "until": gap.until.instant, "hours": len(gap)} for gap in gaps
    ]
    assert f"{found.missing_hours:,} hours (neither loaded nor in the bucket): 1996-01-01T01 to 2010-01-01T00, " in (
        status_text(found)
    )
