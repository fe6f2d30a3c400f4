"""An hour that is forgotten is as one that was never seen."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bookreport import hourly, ledger, reports
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.errors import Locked
from bookreport.health import status, verify
from bookreport.hours import LOOKBACK, Hour, Span
from bookreport.outcomes import HourState
from bookreport.output import Output
from bookreport.prune import Known, forget, known
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import TABLES, Load, MakeRun, everything, held, outcomes
from truth import Purchase

SALES = [Purchase("ana", ENGLISH, 2), Purchase("bob", SPANISH)]
FILE = csv_file(SALES) + f"eva,{ENGLISH},none,1.00\n".encode()


def forgotten(database: Database, *hours: Hour) -> list[Known]:
    found = known(database, hours)
    for each in found:
        forget(database, Span.of_hour(each.hour))
    return found


def of_hour(sql: Sql, hour: Hour) -> dict[str, int]:
    """Return how many rows each table holds of an hour."""
    tables = [*TABLES, "reports_written"]
    return {
        table: sql(f"select count(*) from {table} where hour = %s", hour.start)[0][0] for table in tables if table != "source"
    }


@pytest.fixture
def loaded(bookstore: Bookstore, make_run: MakeRun) -> tuple[Hour, ...]:
    """Three hours, found by a run that searched the whole bucket."""
    hours = (HOUR, HOUR + 1, HOUR + 2)
    for hour in hours:
        bookstore.fill(hour, FILE)
    run = make_run(reject_limit="1")
    assert len(run.follow(run.load(run.choose()), lambda _: None).loaded) == 3
    return hours


def test_nothing_of_the_hour_stays_but_its_history_and_nothing_of_others_goes(
    database: Database, loaded: tuple[Hour, ...], sql: Sql, bucket: Bucket, tmp_path: Path
) -> None:
    files = hourly.Files(Output(tmp_path / "{hour}.json"), "json", "Spanish")
    assert len(list(hourly.write(database, files, loaded, str))) == 3
    before = everything(sql)
    attempts = sql("select loads::text from loads order by load_id")
    assert all(of_hour(sql, HOUR + 1).values())
    assert forgotten(database, HOUR + 1) == [Known(HOUR + 1, HourState.LOADED, 2, 1)]
    assert of_hour(sql, HOUR + 1) == dict.fromkeys(of_hour(sql, HOUR + 1), 0) | {"loads": 1}
    assert sql("select loads::text from loads order by load_id") == attempts
    left = everything(sql)
    assert all(set(left[table]) <= set(before[table]) for table in TABLES)
    assert {table: len(before[table]) - len(left[table]) for table in TABLES} == {
        "purchase_rows": 2,
        "hour_sums": 2,
        "ledger": 1,
        "ledger_files": 1,
        "loads": 0,
        "rejects": 1,
        "source": 0,
    }
    assert (tmp_path / f"{HOUR + 1}.json").exists()
    assert verify(database, bucket).differences == ()


def test_it_is_pending_again_if_it_is_complete_and_a_gap_if_its_files_are_gone(
    database: Database, loaded: tuple[Hour, ...], bookstore: Bookstore, bucket: Bucket, make_run: MakeRun
) -> None:
    forgotten(database, *loaded[:2])
    found = status(database, bucket, lookback=LOOKBACK)
    assert (found.loaded, found.pending, found.gaps) == (1, loaded[:2], ())
    for key in ("purchases-1.csv", "FULL"):
        bookstore.remove(HOUR + 1, key)
    run = make_run(reject_limit="1")
    assert outcomes(run.load(run.choose())) == [(HOUR, "loaded")]
    assert status(database, bucket, lookback=LOOKBACK).gaps == (Span.of_hour(HOUR + 1),)
    made = reports.make_report(database, Span(HOUR, HOUR + 3))
    assert (made.books_sold, made.missing) == (6, (HOUR + 1,))


def test_without_the_first_hour_the_shop_starts_with_the_second(
    database: Database, loaded: tuple[Hour, ...], bookstore: Bookstore
) -> None:
    assert loaded
    for key in ("purchases-1.csv", "FULL"):
        bookstore.remove(HOUR, key)
    forgotten(database, HOUR)
    made = reports.make_report(database, Span(HOUR + -5, HOUR + 3))
    assert (made.hours_expected, made.before_first, made.missing) == (2, 6, ())


def test_without_the_newest_hours_the_ledger_knows_the_newest_of_the_rest_and_then_none(
    database: Database, loaded: tuple[Hour, ...], make_run: MakeRun
) -> None:
    forgotten(database, HOUR + 2)
    with database.transaction() as transaction:
        assert ledger.newest_loaded(transaction) == HOUR + 1
    forgotten(database, *loaded)
    with database.transaction() as transaction:
        assert ledger.newest_loaded(transaction) is None
    assert make_run().pending() == list(loaded)


def test_a_failed_hour_goes_with_its_rejects_and_a_skipped_one_too(
    database: Database, bookstore: Bookstore, load: Load, sql: Sql, bucket: Bucket
) -> None:
    bookstore.fill(HOUR, FILE)
    assert load(HOUR).outcome == "failed"
    ledger.skip(database, Span.of_hour(HOUR + 1), "mistyped")
    assert of_hour(sql, HOUR)["rejects"] == 1
    found = forgotten(database, HOUR, HOUR + 1)
    assert [(each.hour, each.status, each.rejects) for each in found] == [(HOUR, "failed", 1), (HOUR + 1, "skipped", 0)]
    for hour in (HOUR, HOUR + 1):
        assert sum(of_hour(sql, hour).values()) == (hour == HOUR)
    assert verify(database, bucket).differences == ()


def test_rows_that_no_load_made_go_as_well_and_an_hour_that_nobody_knows_is_left_out(
    database: Database, loaded: tuple[Hour, ...], sql: Sql, bucket: Bucket
) -> None:
    assert loaded
    sql("insert into purchase_rows (hour, user_id, isbn10, unit_price) values (%s, 'x', 'y', 1)", (HOUR + 7).start)
    assert [difference.hour for difference in verify(database, bucket).differences] == [HOUR + 7]
    assert forgotten(database, HOUR + 7, HOUR + 8, HOUR + 7) == [Known(HOUR + 7, None, 1, 0)]
    assert verify(database, bucket).differences == ()
    assert known(database, [HOUR + 7, Hour(datetime(1999, 1, 1, tzinfo=UTC))]) == []


@pytest.mark.usefixtures("impatient")
def test_while_a_run_holds_the_hour_nothing_of_it_goes(database: Database, loaded: tuple[Hour, ...], sql: Sql) -> None:
    assert loaded
    sql("insert into purchase_rows (hour, user_id, isbn10, unit_price) values (%s, 'x', 'y', 1)", (HOUR + 7).start)
    before = everything(sql)
    for hour in (HOUR, HOUR + 7):
        with held(database, hour), pytest.raises(Locked):
            forgotten(database, hour)
    assert everything(sql) == before
