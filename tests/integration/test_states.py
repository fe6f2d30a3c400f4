"""States of hours that change while something else runs: each race is stopped at a chosen point."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from bookreport import ledger, prune, reports
from bookreport import loader as loading
from bookreport.bucket import Bucket
from bookreport.database import Database, Transaction
from bookreport.errors import BookreportError, Configuration, Locked
from bookreport.files import File
from bookreport.gzipped import Content
from bookreport.health import verify
from bookreport.hours import Hour, Span
from bookreport.outcomes import Outcome
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun, OpenBucket, held, outcomes
from truth import Purchase

ONE = csv_file([Purchase("ana", ENGLISH, 2, "1.50"), Purchase("bob", SPANISH, 1, "3.00")])
TWO = csv_file([Purchase("eva", SPANISH, 1, "7.00")])
BAD = b"who,what\n"
DIRTY = csv_file([Purchase("ana", ENGLISH, 2, "1.50")]) + b"eva@example.com,0306406152,none,1.00\n"


@pytest.fixture
def at_copy(monkeypatch: pytest.MonkeyPatch) -> Callable[[Hour, Callable[[], object]], None]:
    """Does something once, just before the files of an hour are read, while its lock is held."""
    read = Bucket.read

    def arrange(of: Hour, act: Callable[[], object]) -> None:
        todo = [act]

        def then(bucket: Bucket, hour: Hour, file: File) -> Content:
            if hour == of and todo:
                todo.pop()()
            return read(bucket, hour, file)

        monkeypatch.setattr(Bucket, "read", then)

    return arrange


@pytest.fixture
def at_listing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Hour, Callable[[], object]], None]:
    """Does something once, between listing an hour and taking its lock."""
    complete = Bucket.complete

    def arrange(of: Hour, act: Callable[[], object]) -> None:
        todo = [act]

        def then(bucket: Bucket, hour: Hour) -> Any:
            found = complete(bucket, hour)
            if hour == of and todo:
                todo.pop()()
            return found

        monkeypatch.setattr(Bucket, "complete", then)

    return arrange


@pytest.fixture
def prune_before(database: Database) -> Callable[..., None]:
    def run(before: Hour, *, keep_sums: bool = False) -> None:
        for month in prune.prunable(database, before, keep_sums=keep_sums):
            prune.prune(database, month, keep_sums=keep_sums)

    return run


def states(sql: Sql) -> dict[Hour, str]:
    return {Hour(hour): status for hour, status in sql("select hour, status from ledger")}


def of_hour(sql: Sql, hour: Hour) -> list[int]:
    """Return how many rows, sums, rejects and files there are of an hour."""
    tables = ("purchase_rows", "hour_sums", "rejects", "ledger_files")
    return [sql(f"select count(*) from {table} where hour = %s", hour.start)[0][0] for table in tables]


def test_hours_that_are_skipped_while_a_run_is_at_an_earlier_one_stay_skipped(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, skip: Callable[[Hour], None], at_copy: Callable[..., None]
) -> None:
    for number, content in enumerate((ONE, BAD, TWO)):
        bookstore.fill(HOUR + number, content)

    def skip_both() -> None:
        skip(HOUR + 1)
        skip(HOUR + 2)

    loader = make_run()
    at_copy(HOUR, skip_both)
    assert outcomes(loader.load_hours(loader.pending())) == [(HOUR, "loaded"), (HOUR + 1, "skipped"), (HOUR + 2, "skipped")]
    assert states(sql) == {HOUR: "loaded", HOUR + 1: "skipped", HOUR + 2: "skipped"}
    assert sql("select distinct reason from ledger where status = 'skipped'") == [("it never comes",)]


@pytest.mark.parametrize("strange", [False, True], ids=["bad file", "strange object"])
def test_a_failure_does_not_overwrite_a_skip_that_came_before_it_was_recorded(
    bookstore: Bookstore,
    make_run: MakeRun,
    sql: Sql,
    skip: Callable[[Hour], None],
    monkeypatch: pytest.MonkeyPatch,
    strange: bool,
) -> None:
    bookstore.fill(HOUR, ONE if strange else BAD)
    if strange:
        bookstore.write(HOUR, "sales.zst", b"x")
    record = ledger.record_failure

    def late(*arguments: Any) -> int:
        skip(HOUR)
        return record(*arguments)

    monkeypatch.setattr(ledger, "record_failure", late)
    assert make_run().loader.load(HOUR).outcome == "failed"
    assert sql("select status, reason, last_error, attempts from ledger") == [("skipped", "it never comes", None, 0)]
    assert sql("select outcome from loads") == [("failed",)]


def test_a_late_failure_leaves_what_another_run_has_loaded_meanwhile(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, database: Database, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, DIRTY)
    record = ledger.record_failure
    other: list[str] = []

    def late(*arguments: Any) -> int:
        other.append(make_run(reject_limit="1").loader.load(HOUR, again=again).outcome)
        return record(*arguments)

    monkeypatch.setattr(ledger, "record_failure", late)
    for again in (False, True):
        assert make_run().loader.load(HOUR, again=again, named=again).outcome == "failed"
        assert sql("select status, last_error, rows_rejected from ledger") == [("loaded", None, 1)]
        assert of_hour(sql, HOUR) == [1, 1, 1, 1]
        assert verify(database, bucket).differences == ()
    assert other == ["loaded", "reloaded"]
    assert sql("select outcome from loads order by load_id") == [("loaded",), ("failed",), ("reloaded",), ("failed",)]


@pytest.mark.usefixtures("impatient")
def test_a_failure_whose_hour_another_run_has_is_in_the_history_alone(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, database: Database
) -> None:
    bookstore.fill(HOUR, ONE)
    bookstore.write(HOUR, "sales.zst", b"x")
    with held(database, HOUR):
        assert make_run().loader.load(HOUR).outcome == "failed"
    assert states(sql) == {}
    assert sql("select outcome from loads") == [("failed",)]


@pytest.mark.parametrize("keep_sums", [False, True])
@pytest.mark.parametrize("whole", [False, True], ids=["part of a month", "whole month"])
def test_a_drifted_hour_that_is_pruned_before_its_reload_stays_pruned(
    bookstore: Bookstore,
    load: Load,
    make_run: MakeRun,
    sql: Sql,
    database: Database,
    bucket: Bucket,
    prune_before: Callable[..., None],
    at_listing: Callable[..., None],
    whole: bool,
    keep_sums: bool,
) -> None:
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, ONE)
        load(hour)
    bookstore.write(HOUR, "late.csv", TWO)
    at_listing(HOUR, lambda: prune_before(HOUR.next_month if whole else HOUR + 1, keep_sums=keep_sums))
    assert outcomes(make_run().load_hours([HOUR], again=[HOUR])) == [(HOUR, "pruned")]
    assert states(sql)[HOUR] == "pruned"
    assert of_hour(sql, HOUR)[:2] == [0, 2 if keep_sums else 0]
    assert verify(database, bucket).differences == ()


@pytest.mark.parametrize("whole", [False, True], ids=["part of a month", "whole month"])
@pytest.mark.parametrize("known", [False, True], ids=["first load", "reload"])
def test_prune_waits_for_the_load_of_an_hour_of_its_span(
    bookstore: Bookstore,
    load: Load,
    make_run: MakeRun,
    sql: Sql,
    database: Database,
    bucket: Bucket,
    prune_before: Callable[..., None],
    at_copy: Callable[..., None],
    known: bool,
    whole: bool,
) -> None:
    for hour in (HOUR, HOUR + 1, HOUR + 2):
        bookstore.fill(hour, ONE)
    load(HOUR + 1)
    load(HOUR + 2)
    if known:
        load(HOUR)
    with ThreadPoolExecutor(1) as pool:
        waiting: list[Any] = []

        def begin() -> None:
            waiting.append(pool.submit(prune_before, HOUR.next_month if whole else HOUR + 2))
            blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            while sql(blocked) == [(0,)]:
                assert not waiting[0].done()

        at_copy(HOUR, begin)
        assert make_run().loader.load(HOUR, again=True).outcome == ("reloaded" if known else "loaded")
        waiting[0].result()
    left = {HOUR + 2: "pruned" if whole else "loaded"}
    assert states(sql) == {HOUR: "pruned", HOUR + 1: "pruned"} | left
    assert [of_hour(sql, hour)[:3] for hour in (HOUR, HOUR + 1)] == [[0, 0, 0]] * 2
    assert verify(database, bucket).differences == ()


@pytest.mark.usefixtures("impatient")
def test_prune_of_an_hour_that_a_run_has_is_locked_and_prunes_nothing(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database, prune_before: Callable[..., None]
) -> None:
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, ONE)
        load(hour)
    with held(database, HOUR + 1), pytest.raises(Locked):
        prune_before(HOUR + 2)
    assert states(sql) == {HOUR: "loaded", HOUR + 1: "loaded"}
    assert of_hour(sql, HOUR) == [2, 2, 0, 1]
    with held(database, HOUR + 1):
        prune_before(HOUR + 1)
    assert states(sql) == {HOUR: "pruned", HOUR + 1: "loaded"}


def test_an_hour_is_loaded_though_its_month_is_pruned_right_before(
    bookstore: Bookstore,
    load: Load,
    make_run: MakeRun,
    sql: Sql,
    prune_before: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bookstore.fill(HOUR, ONE)
    bookstore.fill(HOUR + 1, TWO)
    load(HOUR)
    lock = ledger.lock

    def after_prune(transaction: Transaction, hour: Hour) -> None:
        prune_before(HOUR.next_month)
        lock(transaction, hour)

    monkeypatch.setattr(ledger, "lock", after_prune)
    assert make_run().loader.load(HOUR + 1).outcome == "loaded"
    assert states(sql) == {HOUR: "pruned", HOUR + 1: "loaded"}
    assert of_hour(sql, HOUR + 1) == [1, 1, 0, 1]


def test_a_loaded_hour_is_loaded_though_its_month_is_pruned_while_it_is_tidied_up(
    bookstore: Bookstore,
    load: Load,
    make_run: MakeRun,
    sql: Sql,
    prune_before: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bookstore.fill(HOUR, ONE)
    load(HOUR)
    vacuum = Database.vacuum

    def after_prune(database: Database, table: str) -> None:
        if table.startswith("purchase_rows"):
            monkeypatch.setattr(Database, "vacuum", vacuum)
            prune_before(HOUR.next_month)
        vacuum(database, table)

    monkeypatch.setattr(Database, "vacuum", after_prune)
    assert outcomes(make_run().load_hours([HOUR], again=[HOUR])) == [(HOUR, "reloaded")]
    assert states(sql) == {HOUR: "pruned"}


def test_what_somebody_left_in_an_hour_is_removed_by_its_load(
    bookstore: Bookstore, make_run: MakeRun, load: Load, sql: Sql, database: Database, bucket: Bucket
) -> None:
    bookstore.fill(HOUR, ONE)
    bookstore.fill(HOUR + 1, TWO)
    load(HOUR)
    strange = (HOUR + 1).start
    sql("insert into purchase_rows (hour, user_id, isbn10, unit_price) values (%s, 'zoe', 'x', 1000)", strange)
    sql("insert into hour_sums values (%s, 'x', 1, 1, 1000, 'x')", strange)
    sql("insert into rejects (hour, key, line_number, reason, raw) values (%s, 'k', 1, 'r', 'x')", strange)
    made = reports.make_report(database, Span(HOUR, HOUR + 2), series=True)
    assert (made.sale_value, made.buyers[0].users, made.buyers[0].buyers) == (Decimal("6.00"), 2, 1)
    assert [(point.sale_value, point.buyers.users) for point in made.series] == [(Decimal("6.00"), 2), (Decimal(0), 0)]
    found = verify(database, bucket)
    assert {(each.hour, each.kind) for each in found.differences} == {(HOUR + 1, "rows"), (HOUR + 1, "sums")}
    assert [each.message.split(":")[0] for each in found.differences] == ["rejects", "rows", "summed rows"]
    assert outcomes(make_run().load_hours([HOUR + 1])) == [(HOUR + 1, "loaded")]
    assert verify(database, bucket).differences == ()
    made = reports.make_report(database, Span(HOUR, HOUR + 2))
    assert (made.sale_value, made.buyers[0].users) == (Decimal("13.00"), 3)


def test_rejects_of_a_failed_or_skipped_hour_are_no_difference(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database, bucket: Bucket, skip: Callable[[Hour], None]
) -> None:
    bookstore.fill(HOUR, DIRTY)
    assert load(HOUR).outcome == "failed"
    assert verify(database, bucket).differences == ()
    skip(HOUR)
    assert of_hour(sql, HOUR) == [0, 0, 1, 0]
    assert verify(database, bucket).differences == ()


@pytest.mark.parametrize("keep_sums", [False, True])
def test_a_pruned_hour_whose_files_are_gone_is_not_emptied(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database, prune_before: Callable[..., None], keep_sums: bool
) -> None:
    bookstore.fill(HOUR, ONE)
    load(HOUR)
    prune_before(HOUR + 1, keep_sums=keep_sums)
    bookstore.remove(HOUR, "purchases-1.csv")
    outcome = load(HOUR, again=True)
    assert (outcome.outcome, outcome.error and outcome.error.exit_code) == ("failed", 4)
    assert states(sql) == {HOUR: "pruned"}
    if keep_sums:
        assert reports.make_report(database, Span.of_hour(HOUR)).sale_value == Decimal("6.00")


@pytest.fixture
def other_bucket(bookstore: Bookstore, open_bucket: OpenBucket) -> Bucket:
    """Another source, with hours of its own, under the prefix `moved/`."""
    for number in range(3):
        for key, content in (("a.csv", TWO), ("FULL", b"")):
            bookstore.put(f"moved/{(HOUR + number).partition}{key}", content)
    return open_bucket(prefix="moved/")


def test_of_two_first_runs_of_different_buckets_one_loads(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, other_bucket: Bucket, at_copy: Callable[..., None]
) -> None:
    bookstore.fill(HOUR, ONE)
    loader, other = make_run(), make_run(other_bucket)
    ended: list[Outcome] = []
    # The other run, at another hour, commits after the first one has checked the source and while it copies.
    at_copy(HOUR, lambda: ended.append(other.loader.load(HOUR + 1)))
    lost = loader.loader.load(HOUR)
    assert ended[0].outcome == "loaded"
    assert (lost.outcome, lost.stops_run, type(lost.error)) == ("failed", True, Configuration)
    assert sql("select prefix from source") == [("moved/",)]
    assert states(sql) == {HOUR + 1: "loaded"}
    assert of_hour(sql, HOUR) == [0, 0, 0, 0]
    assert sql("select hour from loads") == [((HOUR + 1).start,)]


def test_two_first_runs_that_commit_at_once_do_not_both_take_the_ledger(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, other_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, ONE)
    together = threading.Barrier(2, timeout=60)
    record = ledger.record_load

    def meet(*arguments: Any) -> Any:
        together.wait()
        return record(*arguments)

    monkeypatch.setattr(ledger, "record_load", meet)
    loaders = (make_run(), HOUR), (make_run(other_bucket), HOUR + 1)
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda each: each[0].loader.load(each[1]), loaders))
    assert sorted(outcome.outcome for outcome in ended) == ["failed", "loaded"]
    [(prefix,)] = sql("select prefix from source")
    assert states(sql) == {HOUR + 1 if prefix else HOUR: "loaded"}
    [error] = [outcome.error for outcome in ended if outcome.error is not None]
    assert error.exit_code == 6


def test_a_run_of_the_old_bucket_goes_no_further_when_another_takes_the_new_one(
    bookstore: Bookstore, make_run: MakeRun, load: Load, sql: Sql, other_bucket: Bucket, at_listing: Callable[..., None]
) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number, ONE)
    load(HOUR)
    old = make_run()
    at_listing(HOUR + 1, make_run(other_bucket, new_source=True).take_source)
    ended = list(old.load_hours([HOUR + 1, HOUR + 2]))
    assert [(outcome.outcome, outcome.error and outcome.error.exit_code) for outcome in ended] == [("failed", 6)]
    assert sql("select prefix from source") == [("moved/",)]
    assert states(sql) == {HOUR: "loaded"}


def test_a_bad_hour_of_another_bucket_is_not_recorded(
    bookstore: Bookstore, make_run: MakeRun, load: Load, sql: Sql, other_bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, ONE)
    bookstore.fill(HOUR + 1, BAD)
    load(HOUR)
    old, record = make_run(), ledger.record_failure

    def late(*arguments: Any) -> int:
        make_run(other_bucket, new_source=True).take_source()
        return record(*arguments)

    monkeypatch.setattr(ledger, "record_failure", late)
    assert old.loader.load(HOUR + 1).outcome == "failed"
    assert states(sql) == {HOUR: "loaded"}
    assert sql("select count(*) from loads") == [(1,)]


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits for a connection in seconds, none of which takes any time."""
    now, waits = [0.0], []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("bookreport.database.time.sleep", sleep)
    monkeypatch.setattr("bookreport.database.time.monotonic", lambda: now[0])
    return waits


@pytest.mark.parametrize("again", [False, True])
def test_a_server_that_is_gone_right_behind_the_commit_leaves_the_hour_loaded_and_is_waited_for_once(
    bookstore: Bookstore,
    make_run: MakeRun,
    load: Load,
    database: Database,
    sql: Sql,
    waited: list[float],
    monkeypatch: pytest.MonkeyPatch,
    again: bool,
) -> None:
    bookstore.fill(HOUR, ONE)
    if again:
        load(HOUR)
    loader, commit, loads = make_run(), Database._commit, int(again) + 1

    def then_gone(connection: Any, raw: Any) -> None:
        commit(connection, raw)
        if sql("select count(*) from loads") == [(loads,)]:
            monkeypatch.setattr(database, "_engine", Database("postgresql://127.0.0.1:1/shop")._engine)

    monkeypatch.setattr(Database, "_commit", staticmethod(then_gone))
    assert outcomes(loader.load_hours([HOUR], again=[HOUR])) == [(HOUR, "reloaded" if again else "loaded")]
    assert sum(waited) < 90
    assert states(sql) == {HOUR: "loaded"}


def test_a_commit_that_the_ledger_does_not_show_is_a_failure(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, ONE)
    read_back = loading.Loader._read_back

    def lost(loader: loading.Loader, hour: Hour, recorded: Any) -> None:
        sql("delete from ledger_files")
        sql("delete from ledger")
        read_back(loader, hour, recorded)

    monkeypatch.setattr(loading.Loader, "_read_back", lost)
    outcome = make_run().loader.load(HOUR)
    assert (outcome.outcome, type(outcome.error)) == ("failed", BookreportError)
