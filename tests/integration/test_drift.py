"""Files of loaded hours that have changed: found by verify, reloaded by --changed, never emptied."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import pytest

from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.health import Verification, verify
from bookreport.hours import Hour, Slice, Span
from bookreport.present.state import verification_remedy
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun
from truth import Purchase

ONE = csv_file([Purchase("u1", ENGLISH), Purchase("u2", SPANISH)])
TWO = csv_file([Purchase("u3", ENGLISH, 3)])

Verify = Callable[..., Verification]


@pytest.fixture
def loaded(bookstore: Bookstore, load: Load) -> Bookstore:
    """Two loaded hours of two files each."""
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, ONE, TWO)
        assert load(hour).outcome == "loaded"
    return bookstore


@pytest.fixture
def verification(database: Database, bucket: Bucket) -> Verify:
    return partial(verify, database, bucket)


@pytest.fixture
def verified(verification: Verify) -> Callable[..., list[tuple[Hour, str, str | None]]]:
    def run(*bounds: Hour) -> list[tuple[Hour, str, str | None]]:
        return [(difference.hour, difference.kind, difference.key) for difference in verification(*bounds).differences]

    return run


def drifted(make_run: MakeRun, *bounds: Hour | None) -> list[Hour]:
    since, until = bounds or (None, None)
    return make_run().drifted(since, until, lookback=timedelta(days=7))


Verified = Callable[..., list[tuple[Hour, str, str | None]]]


@pytest.mark.usefixtures("loaded")
def test_hours_that_are_as_they_were_loaded_have_no_difference(database: Database, bucket: Bucket, make_run: MakeRun) -> None:
    assert verify(database, bucket) == Verification(2, ())
    assert drifted(make_run) == []


def test_an_added_a_changed_and_a_removed_file_are_told_by_name(
    loaded: Bookstore, verified: Verified, make_run: MakeRun
) -> None:
    loaded.write(HOUR, "late.csv", TWO)
    loaded.write(HOUR, "purchases-1.csv", ONE + TWO)
    loaded.remove(HOUR, "purchases-2.csv")
    assert verified() == [
        (HOUR, "added", "late.csv"),
        (HOUR, "changed", "purchases-1.csv"),
        (HOUR, "removed", "purchases-2.csv"),
    ]
    assert verified(HOUR + 1) == []
    assert drifted(make_run) == [HOUR]


def test_a_marker_that_is_gone_and_a_file_that_is_no_csv_are_differences(loaded: Bookstore, verified: Verified) -> None:
    loaded.remove(HOUR, "FULL")
    loaded.write(HOUR + 1, "sales.zst", b"x")
    assert verified() == [(HOUR, "marker", None), (HOUR + 1, "added", None)]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("statement", "kinds"),
    [
        ("delete from purchase_rows where user_id = 'u1' and hour = %s", {"rows", "sums"}),
        ("insert into purchase_rows (hour, user_id, isbn10, unit_price) values (%s, 'x', 'y', 1)", {"rows", "sums"}),
        ("update purchase_rows set unit_price = 11 where user_id = 'u1' and hour = %s", {"sums"}),
        ("delete from hour_sums where hour = %s", {"sums"}),
        ("insert into rejects (hour, key, line_number, reason, raw) values (%s, 'k', 1, 'r', 'x')", {"rows"}),
        ("delete from ledger_files where key = 'purchases-1.csv' and hour = %s", {"rows", "added"}),
    ],
)
def test_tables_that_do_not_hold_what_the_ledger_says_are_found(
    verified: Verified, sql: Sql, statement: str, kinds: set[str]
) -> None:
    sql(statement, HOUR.start)
    found = verified()
    assert {hour for hour, _, _ in found} == {HOUR}
    assert {kind for _, kind, _ in found} == kinds


def test_each_day_is_in_one_slice_of_as_many_as_there_are_and_each_hour_is_listed_once(
    bookstore: Bookstore, load: Load, database: Database, bucket: Bucket, sql: Sql
) -> None:
    hours = [HOUR, HOUR + 1, HOUR + 11, HOUR + 12, HOUR + 50, HOUR + 51]
    for hour in hours:
        bookstore.fill(hour, ONE)
        load(hour)
        bookstore.write(hour, "late.csv", TWO)
    # What is in the tables on a day that the ledger does not know.
    strange = [HOUR + -1000, HOUR + 30, HOUR + 1000]
    for hour in strange:
        sql("insert into rejects (hour, key, line_number, reason, raw) values (%s, 'k', 1, 'r', 'x')", hour.start)
    parts = [Slice(number, 3) for number in (1, 2, 3)]
    bucket.requests = 0
    found = [verify(database, bucket, part=part) for part in parts]
    assert (bucket.requests, [each.hours for each in found]) == (len(hours), [2, 2, 2])
    everything = verify(database, bucket)
    assert sorted({each.hour for each in everything.differences}) == sorted(hours + strange)
    assert sorted(str(each) for one in found for each in one.differences) == sorted(map(str, everything.differences))
    for each, part in zip(found, parts, strict=True):
        days = {difference.hour.start.date() for difference in each.differences if difference.kind == "added"}
        assert [day.toordinal() % 3 for day in days] == [part.number - 1]
    assert sorted(verify(database, bucket, HOUR + 1, HOUR + 12, part=part).hours for part in parts) == [0, 1, 1]


@pytest.mark.usefixtures("loaded")
def test_the_days_that_are_compared_can_be_followed(database: Database, bucket: Bucket) -> None:
    passed: list[list[Span]] = []

    def follow(days: Sequence[Span]) -> Sequence[Span]:
        passed.append(list(days))
        return days

    assert verify(database, bucket, HOUR, HOUR + 2, follow=follow) == Verification(2, ())
    assert passed == [[Span(HOUR, HOUR + 2)]]


def test_what_to_do_about_differences_names_the_hours_and_what_reloads_them(loaded: Bookstore, verification: Verify) -> None:
    loaded.write(HOUR, "late.csv", TWO)
    assert verification_remedy(verification()) == f"reload it: bookreport run-hour --hour {HOUR}"
    loaded.write(HOUR + 1, "late.csv", TWO)
    assert verification_remedy(verification()) == (
        f"reload hours whose files changed: bookreport ingest --changed --since {HOUR} --until {HOUR + 2} --max-reload 2"
    )
    loaded.remove(HOUR, "FULL")
    assert verification_remedy(verification()) == f"reload it: bookreport run-hour --hour {HOUR + 1}"
    loaded.remove(HOUR + 1, "FULL")
    assert verification_remedy(verification()) == "an hour can be reloaded once it has its marker again"


@pytest.mark.usefixtures("loaded")
def test_hours_that_differ_in_the_tables_alone_are_reloaded_by_name(verification: Verify, sql: Sql) -> None:
    sql("delete from hour_sums")
    assert verification_remedy(verification()) == f"reload each: bookreport run-hour --hour {HOUR}"


def test_verify_writes_nothing(loaded: Bookstore, verified: Verified, sql: Sql) -> None:
    loaded.write(HOUR, "late.csv", TWO)
    tables = ("ledger", "ledger_files", "loads", "rejects", "hour_sums", "purchase_rows", "source")
    before = [sql(f"select to_jsonb(t) from {table} t order by 1::text") for table in tables]
    assert verified()
    assert [sql(f"select to_jsonb(t) from {table} t order by 1::text") for table in tables] == before


def test_a_reload_of_a_drifted_hour_brings_what_is_there_now(
    loaded: Bookstore, verified: Verified, make_run: MakeRun, sql: Sql
) -> None:
    loaded.write(HOUR, "late.csv", TWO)
    hours = drifted(make_run)
    outcomes = list(make_run().load_hours(hours, again=hours))
    assert [(outcome.hour, outcome.outcome, outcome.rows_loaded) for outcome in outcomes] == [(HOUR, "reloaded", 4)]
    assert sql("select sum(quantity) from purchases where hour = %s", HOUR.start) == [(8,)]
    assert verified() == []


def test_at_most_so_many_drifted_hours_are_reloaded_and_the_others_told(loaded: Bookstore, make_run: MakeRun) -> None:
    for hour in (HOUR, HOUR + 1):
        loaded.write(hour, "late.csv", TWO)
    loaded.fill(HOUR + 2, ONE)
    choice = make_run().choose(changed=True, most_changed=1)
    assert (choice.hours, set(choice.again), choice.left) == ((HOUR, HOUR + 2), {HOUR}, (HOUR + 1,))
    assert make_run().choose([HOUR + 1], changed=True, most_changed=0).again == {HOUR + 1}


@pytest.mark.usefixtures("loaded")
def test_the_same_size_under_another_etag_only_warns(make_run: MakeRun, sql: Sql, caplog: pytest.LogCaptureFixture) -> None:
    sql("update ledger_files set etag = 'copied-1' where hour = %s", HOUR.start)
    with caplog.at_level(logging.WARNING, "bookreport"):
        assert drifted(make_run) == []
    assert "purchases-1.csv has the same size but a new ETag" in caplog.text


@pytest.mark.parametrize("gone", [["purchases-1.csv", "purchases-2.csv"], ["purchases-1.csv", "FULL"]])
def test_an_hour_without_files_or_marker_is_warned_of_and_left(
    loaded: Bookstore, make_run: MakeRun, caplog: pytest.LogCaptureFixture, gone: list[str]
) -> None:
    for key in gone:
        loaded.remove(HOUR, key)
    with caplog.at_level(logging.WARNING, "bookreport"):
        assert drifted(make_run) == []
    assert "gone; the hour stays as it was loaded" in caplog.text


def test_an_hour_whose_files_are_all_gone_is_not_emptied_by_name_either(loaded: Bookstore, load: Load, sql: Sql) -> None:
    for key in ("purchases-1.csv", "purchases-2.csv"):
        loaded.remove(HOUR, key)
    outcome = load(HOUR, again=True)
    assert (outcome.outcome, outcome.error and outcome.error.exit_code) == ("failed", 4)
    assert sql("select count(*) from purchases where hour = %s", HOUR.start) == [(3,)]


def test_drift_is_looked_for_within_the_look_back_or_the_span_asked_for(
    loaded: Bookstore, load: Load, make_run: MakeRun
) -> None:
    loaded.write(HOUR, "late.csv", TWO)
    loaded.fill(HOUR + 24 * 8, ONE)
    load(HOUR + 24 * 8)
    assert drifted(make_run) == []
    assert drifted(make_run, HOUR, None) == [HOUR]
    assert drifted(make_run, HOUR + 1, None) == []


def test_one_file_under_two_names_is_warned_of_within_an_hour_and_a_day(
    bookstore: Bookstore, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    bookstore.fill(HOUR, ONE, ONE)
    bookstore.fill(HOUR + 1, ONE)
    bookstore.fill(HOUR + 24, ONE)
    with caplog.at_level(logging.WARNING, "bookreport"):
        load(HOUR)
        assert f"{HOUR} purchases-1.csv is the same as {HOUR} purchases-2.csv: probably one file" in caplog.text
        caplog.clear()
        load(HOUR + 1)
        assert f"{HOUR + 1} purchases-1.csv is the same as {HOUR} purchases-1.csv" in caplog.text
        caplog.clear()
        load(HOUR + 24)
        assert caplog.text == ""


def test_files_without_rows_are_no_twins(bookstore: Bookstore, load: Load, caplog: pytest.LogCaptureFixture) -> None:
    bookstore.fill(HOUR, csv_file([]), csv_file([]), b"", b"")
    with caplog.at_level(logging.WARNING, "bookreport"):
        assert load(HOUR).files == 4
    assert caplog.text == ""
