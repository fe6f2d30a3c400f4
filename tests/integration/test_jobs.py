"""Hours loaded by several threads, waited for, reloaded and vacuumed."""

import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.errors import Interrupted, Locked, NotReady, Temporary
from bookreport.files import File
from bookreport.gzipped import Content
from bookreport.hours import Hour
from bookreport.patience import Patience
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import MakeRun, outcomes
from truth import Purchase

HOURS = [HOUR + number for number in range(8)]


def sales_of(hour: Hour) -> list[Purchase]:
    return [Purchase("u1", ENGLISH, hour.start.hour), Purchase("u2", SPANISH, 1, f"{hour.start.hour}.25")]


@pytest.fixture
def day(bookstore: Bookstore) -> Bookstore:
    for hour in HOURS:
        bookstore.fill(hour, csv_file(sales_of(hour)))
    return bookstore


@pytest.mark.usefixtures("day")
def test_threads_load_each_hour_once_and_tell_the_oldest_first(make_run: MakeRun, sql: Sql) -> None:
    assert outcomes(make_run().load_hours(HOURS, jobs=3)) == [(hour, "loaded") for hour in HOURS]
    assert outcomes(make_run().load_hours(HOURS, jobs=3)) == [(hour, "unchanged") for hour in HOURS]
    found = {Hour(hour): value for hour, value in sql("select hour, sum(sale_value) from purchases group by hour")}
    assert found == {hour: sum(sale.value for sale in sales_of(hour)) for hour in HOURS}


@pytest.mark.usefixtures("day")
def test_hours_are_really_loaded_at_once(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2, timeout=60)
    read = Bucket.read

    def meet(bucket: Bucket, hour: Hour, file: File) -> Content:
        together.wait()
        return read(bucket, hour, file)

    monkeypatch.setattr(Bucket, "read", meet)
    assert outcomes(make_run().load_hours(HOURS, jobs=2)) == [(hour, "loaded") for hour in HOURS]


def test_a_bad_hour_stops_only_itself(day: Bookstore, make_run: MakeRun) -> None:
    day.fill(HOURS[3], b"who,what\n")
    expected = [(hour, "failed" if hour == HOURS[3] else "loaded") for hour in HOURS]
    assert outcomes(make_run().load_hours(HOURS, jobs=2)) == expected
    assert make_run().pending() == [HOURS[3]]


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize("jobs", [1, 3])
def test_after_trouble_that_concerns_all_no_further_hour_is_begun(
    make_run: MakeRun, sql: Sql, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    def gone(_: Bucket, hour: Hour, _file: File) -> Iterator[bytes]:
        raise Temporary(f"S3 is gone at {hour}")

    monkeypatch.setattr(Bucket, "read", gone)
    ended = list(make_run().load_hours(HOURS, jobs=jobs))
    assert 1 <= len(ended) <= jobs
    assert {outcome.outcome for outcome in ended} == {"failed"}
    assert len(sql("select hour from ledger")) == len(ended)


@pytest.mark.usefixtures("day")
def test_an_interrupt_ends_every_thread_and_keeps_nothing_of_theirs(
    make_run: MakeRun, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = threading.Semaphore(0)
    sent = threading.Event()
    read = Bucket.read

    def stall(bucket: Bucket, hour: Hour, file: File) -> Iterator[bytes]:
        yield from read(bucket, hour, file)
        reading.release()
        sent.wait(60)
        yield b"u9,0306406152,1,1.00\n"

    def interrupt() -> None:
        for _ in range(2):
            assert reading.acquire(timeout=60)
        database.cancel(signal.SIGTERM)
        sent.set()

    monkeypatch.setattr(Bucket, "read", stall)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted) as caught:
        list(make_run().load_hours(HOURS, jobs=2))
    thread.join()
    assert caught.value.exit_code == 143
    assert sql("select count(*) from ledger") == [(0,)]
    assert sql("select count(*) from purchases") == [(0,)]
    assert [each for each in threading.enumerate() if each.name.startswith("load")] == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The loader's waits in seconds, none of which takes any time."""
    now, waits = [time.monotonic()], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return waits


def test_an_hour_that_does_not_come_is_waited_for_and_told_once(
    bookstore: Bookstore, make_run: MakeRun, clock: list[float]
) -> None:
    bookstore.write(HOUR, "purchases-1.csv", b"")
    ended = list(make_run().await_hour(HOUR, Patience(timedelta(minutes=40))))
    assert [(outcome.outcome, type(outcome.error)) for outcome in ended] == [("not-ready", NotReady)]
    assert sum(clock) == 40 * 60


def test_an_hour_that_comes_while_it_is_waited_for_is_loaded(
    bookstore: Bookstore, make_run: MakeRun, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.write(HOUR, "purchases-1.csv", csv_file(sales_of(HOUR)))
    marker = Bucket.marker

    def come(bucket: Bucket, hour: Hour) -> Any:
        if len(clock) == 3:
            bookstore.close(hour)
        return marker(bucket, hour)

    monkeypatch.setattr(Bucket, "marker", come)
    assert outcomes(make_run().await_hour(HOUR, Patience(timedelta(minutes=40)))) == [(HOUR, "loaded")]
    assert len(clock) == 3


@pytest.mark.usefixtures("day")
def test_an_hour_that_is_loaded_is_not_waited_for(make_run: MakeRun, clock: list[float]) -> None:
    make_run().loader.load(HOUR)
    assert outcomes(make_run().await_hour(HOUR, Patience(timedelta(minutes=40)))) == []
    assert outcomes(make_run().await_hour(HOUR, Patience(timedelta(minutes=40)), again=True)) == [(HOUR, "reloaded")]
    assert clock == []


def test_an_hour_that_is_reloaded_often_does_not_swell_its_tables(bookstore: Bookstore, make_run: MakeRun, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(Purchase(f"u{number}", ENGLISH) for number in range(5000)))
    sizes = []
    for _ in range(8):
        make_run().loader.load(HOUR, again=True)
        sizes += sql("select pg_relation_size('purchase_rows_2024_05')")
    assert sizes[-1][0] <= 3 * sizes[0][0]


@pytest.mark.usefixtures("day")
def test_what_is_done_after_the_commit_does_not_change_the_outcome(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise Locked("somebody vacuums it")

    monkeypatch.setattr(Database, "_vacuum", busy)
    assert [make_run().loader.load(HOUR, again=True).outcome for _ in range(2)] == ["loaded", "reloaded"]
