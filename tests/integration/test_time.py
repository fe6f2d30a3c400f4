"""Hours far off in time: left alone, warned about, never an anchor, and pruned again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bookreport import ledger, reports
from bookreport.bucket import Bucket
from bookreport.check import Check, check
from bookreport.database import Database
from bookreport.errors import Locked, NotReady, Usage
from bookreport.health import status, verify
from bookreport.hours import EARLIEST, FIRST, Hour, Span
from bookreport.prune import forget, mistaken, prunable, prune
from bookreport.purchases import ensure_month, tables_of
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun, held
from truth import Purchase

FILE = csv_file([Purchase("u1", ENGLISH)])
WEEK = timedelta(days=7)
FUTURE, SENTINELS = Hour.of(2062, 5, 1, 13), [FIRST, Hour.of(9999, 12, 31, 23)]

Look = Callable[..., dict[str, Check]]


@pytest.fixture
def look(database: Database, bucket: Bucket) -> Look:
    def run(max_age: timedelta | None = None, *, earliest: Hour = EARLIEST) -> dict[str, Check]:
        return {found.name: found for found in check(database, bucket, "Spanish", max_age, earliest=earliest)}

    return run


@pytest.mark.parametrize("far", [FUTURE, *SENTINELS, Hour.of(1994, 12, 31, 23)])
def test_an_hour_that_cannot_be_is_told_once_and_left_alone(
    bookstore: Bookstore,
    make_run: MakeRun,
    look: Look,
    database: Database,
    bucket: Bucket,
    far: Hour,
    warnings: Callable[[], list[str]],
) -> None:
    for hour in (HOUR, far):
        bookstore.fill(hour, FILE)
    year = f"year={far.start.year:04}/"
    assert make_run().pending() == [HOUR]
    assert make_run().pending(everything=True) == [HOUR]
    assert [year in line for line in warnings()] == [True, True]
    found = status(database, bucket, lookback=WEEK)
    assert [each.prefix for each in found.far_off] == [year]
    assert (found.pending, found.missing_hours) == ((HOUR,), 0)
    failed = [name for name, each in look().items() if not each.ok]
    assert failed == ["time"]
    assert year in look()["time"].message


def test_an_hour_that_begins_within_the_next_hour_is_loaded_and_one_after_it_is_not(
    bookstore: Bookstore, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2024, 5, 1, 12, 59, 59, tzinfo=UTC)
    monkeypatch.setattr(Bucket, "clock", lambda _: now)
    for number in range(4):
        bookstore.fill(HOUR + number, FILE)
    loader = make_run()
    assert loader.pending() == [HOUR]
    assert loader.looked is not None
    assert [each.prefix for each in loader.looked.far_off] == [(HOUR + number).partition for number in (1, 2, 3)]
    now = datetime(2024, 5, 1, 14, 0, 0, tzinfo=UTC)
    assert make_run().pending() == [HOUR, HOUR + 1, HOUR + 2]


@pytest.mark.parametrize("clock", [None, datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)])
def test_a_store_whose_clock_is_not_set_or_ahead_hides_no_hour_and_allows_none(
    bookstore: Bookstore, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, clock: datetime | None
) -> None:
    monkeypatch.setattr(Bucket, "clock", lambda _: clock)
    for hour in (HOUR, FUTURE):
        bookstore.fill(hour, FILE)
    assert make_run().pending() == [HOUR]


def test_an_old_shop_says_when_it_began(bookstore: Bookstore, make_run: MakeRun, look: Look) -> None:
    old = Hour.of(1989, 3, 1, 0)
    bookstore.fill(old, FILE)
    assert make_run().pending() == []
    assert "BOOKREPORT_FIRST_YEAR" in str(look()["time"].hint)
    assert make_run(earliest=Hour.of(1989, 1, 1, 0)).pending() == [old]
    assert look(earliest=Hour.of(1989, 1, 1, 0))["time"].ok


@pytest.mark.parametrize("span", [(FUTURE, None), (FUTURE, FUTURE + 5), (None, EARLIEST), (FIRST, FIRST + 5)])
def test_a_span_out_of_time_is_refused(bookstore: Bookstore, make_run: MakeRun, span: tuple[Hour | None, Hour | None]) -> None:
    bookstore.fill(HOUR, FILE)
    with pytest.raises(NotReady, match="nothing was loaded"):
        make_run().pending(since=span[0], until=span[1])
    assert make_run().pending(since=FIRST, until=FUTURE) == [HOUR]


def test_an_hour_that_was_loaded_out_of_time_is_no_anchor(
    bookstore: Bookstore, make_run: MakeRun, load: Load, look: Look, database: Database, bucket: Bucket, sql: Sql
) -> None:
    for hour in (FIRST, HOUR, HOUR + 2, FUTURE):
        bookstore.fill(hour, FILE)
        assert load(hour).outcome == "loaded"
    bookstore.fill(HOUR + 3, FILE)
    sql("update source set looked_through_at = now()")
    assert make_run().pending() == [HOUR + 3]
    assert reports.newest_span(database, 24).until == HOUR + 3
    assert reports.make_report(database, reports.newest_span(database, 24)).missing == (HOUR + 1,)
    assert not look(WEEK)["freshness"].ok
    assert "2024-05-01T15" in look()["freshness"].message
    found = status(database, bucket, lookback=WEEK)
    assert (found.newest_loaded, found.loaded, found.missing) == (HOUR + 2, 2, (HOUR + 1,))
    assert found.far_off_loaded == (Span.of_hour(FIRST), Span.of_hour(FUTURE))
    assert verify(database, bucket).differences == ()
    for hour in (FIRST, FUTURE):
        bookstore.write(hour, "late.csv", FILE)
    assert make_run().drifted(None, FUTURE + 9, lookback=WEEK) == []
    assert make_run().drifted(None, None, lookback=WEEK) == []


def test_only_hours_out_of_time_are_as_good_as_none(bookstore: Bookstore, load: Load, database: Database) -> None:
    bookstore.fill(FUTURE, FILE)
    load(FUTURE)
    with pytest.raises(NotReady, match="no hour is loaded yet"):
        reports.newest_span(database)
    with database.transaction() as transaction:
        assert ledger.lookback_start(transaction, WEEK) is None


@pytest.mark.parametrize("year", [1, 22, 333, 1995, 2024, 9999])
def test_a_month_is_named_alike_by_both(database: Database, sql: Sql, year: int) -> None:
    hour = Hour.of(year, 12, 31, 23)
    with database.transaction() as transaction:
        ensure_month(transaction, hour)
    assert sql("select to_regclass(%s) is not null", tables_of(hour)[0]) == [(True,)]


def test_an_old_hour_out_of_time_is_pruned_with_its_rows(
    bookstore: Bookstore, load: Load, look: Look, database: Database, sql: Sql
) -> None:
    bookstore.fill(FIRST, FILE)
    bookstore.fill(HOUR, FILE)
    for hour in (FIRST, HOUR):
        load(hour)
    assert load(FIRST, again=True).outcome == "reloaded"
    bookstore.remove(FIRST, "purchases-1.csv")
    bookstore.remove(FIRST, "FULL")
    assert f"prune --before {EARLIEST}" in str(look()["time"].hint)
    [month] = prunable(database, EARLIEST, keep_sums=False)
    prune(database, month, keep_sums=False)
    assert sql("select hour, count(*) from purchases group by hour") == [(HOUR.start, 1)]
    assert look()["time"].ok


@pytest.mark.usefixtures("impatient")
def test_a_future_hour_is_taken_out_wholly_and_loaded_once_it_has_come(
    bookstore: Bookstore, load: Load, look: Look, database: Database, sql: Sql
) -> None:
    for hour in (HOUR, FUTURE, FUTURE + 1, FUTURE + 24 * 40):
        bookstore.fill(hour, FILE)
        load(hour)
    for hour in (FUTURE, FUTURE + 1, FUTURE + 24 * 40):
        for key in ("purchases-1.csv", "FULL"):
            bookstore.remove(hour, key)
    assert look()["time"].hint == f"remove them: bookreport prune --from {FUTURE}"
    months = mistaken(database, FUTURE)
    assert [(month.span.since, month.hours, month.rows) for month in months] == [(FUTURE, 2, 2), (Hour.of(2062, 6, 1, 0), 1, 1)]
    with held(database, FUTURE + 1), pytest.raises(Locked):
        forget(database, months[0].span)
    for month in months:
        forget(database, month.span)
    for table in ("ledger", "ledger_files", "purchases", "hour_sums"):
        assert sql(f"select distinct hour from {table}") == [(HOUR.start,)]
    assert sql("select count(*) from loads") == [(4,)]
    assert look()["time"].ok
    bookstore.fill(FUTURE, FILE)
    assert load(FUTURE).outcome == "loaded"


def test_hours_that_may_be_are_never_taken_out(database: Database) -> None:
    for hour in (HOUR, Hour.last() + 2):
        with pytest.raises(Usage):
            mistaken(database, hour)
