"""What a run does, without the command line: which hours it takes, and when it ends."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from bookreport import ledger
from bookreport.bucket import Bucket
from bookreport.errors import Locked, NotReady, Temporary
from bookreport.files import File
from bookreport.gzipped import Content
from bookreport.hours import EARLIEST, Hour
from bookreport.outcomes import Outcome
from bookreport.patience import Patience
from bookreport.run import in_turn
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun, outcomes
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH)])


def loaded_by(make_run: MakeRun, *named: Hour) -> list[tuple[Hour, str]]:
    run = make_run()
    return outcomes(run.load(run.choose(named)))


def test_an_hour_that_is_named_is_loaded_although_it_was_skipped(
    bookstore: Bookstore, make_run: MakeRun, skip: Callable[..., None]
) -> None:
    skip(HOUR)
    bookstore.fill(HOUR, FILE)
    assert loaded_by(make_run) == []
    assert loaded_by(make_run, HOUR) == [(HOUR, "loaded")]
    assert loaded_by(make_run, HOUR) == [(HOUR, "unchanged")]


def test_by_the_hour_a_named_hour_is_loaded_anew_and_no_other(bookstore: Bookstore, make_run: MakeRun, load: Load) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number, FILE)
    load(HOUR)
    loading, hours = make_run().by_the_hour(HOUR, None)
    assert (outcomes(loading), hours) == ([(HOUR, "reloaded")], 1)
    loading, hours = make_run().by_the_hour(None, None)
    assert (outcomes(loading), hours) == ([(HOUR + 1, "loaded"), (HOUR + 2, "loaded")], 2)


def test_an_hour_before_any_shop_is_refused_before_another_is_loaded(bookstore: Bookstore, make_run: MakeRun, sql: Sql) -> None:
    bookstore.fill(HOUR, FILE)
    with pytest.raises(NotReady, match="before 1995"):
        make_run().choose([HOUR, EARLIEST + -1])
    assert sql("select * from ledger") == []


def test_a_run_that_is_stopped_waits_for_no_further_hour(
    bookstore: Bookstore, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        bookstore.fill(HOUR + number, FILE)
    run = make_run()

    def away(*_: object) -> None:
        raise Temporary("the store went away")

    monkeypatch.setattr(Bucket, "complete", away)
    told: list[Outcome] = []
    ended = run.follow(in_turn(run.load_hours([HOUR]), run.await_hour(HOUR + 1, Patience(timedelta(minutes=1)))), told.append)
    assert [(outcome.hour, outcome.outcome) for outcome in ended.outcomes] == [(HOUR, "failed")]
    assert (ended.failure, ended.loaded, told) == (None, [], ended.outcomes)


def test_a_failure_that_was_not_recorded_leaves_the_whole_bucket_to_the_next_run(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, b"who,what\n")
    bookstore.fill(HOUR + 1000, FILE)

    def away(*_: object) -> int:
        raise Locked("another run holds the hour")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "record_failure", away)
        run = make_run()
        ended = run.follow(run.load(run.choose()), lambda _: None)
    assert [(outcome.outcome, outcome.attempt) for outcome in ended.outcomes] == [("failed", 0), ("loaded", 1)]
    assert ended.outcomes[0].error is not None
    assert "status and history don't know of it" in str(ended.outcomes[0].error.hint)
    assert sql("select looked_through_at from source") == [(None,)]
    assert make_run().pending() == [HOUR]


def test_a_run_loads_as_many_hours_at_once_as_it_was_made_for(
    bookstore: Bookstore, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        bookstore.fill(HOUR + number, FILE)
    together, read = threading.Barrier(2, timeout=60), Bucket.read

    def meet(bucket: Bucket, hour: Hour, file: File) -> Content:
        together.wait()
        return read(bucket, hour, file)

    monkeypatch.setattr(Bucket, "read", meet)
    run = make_run(jobs=2)
    assert outcomes(run.load(run.choose())) == [(HOUR, "loaded"), (HOUR + 1, "loaded")]
