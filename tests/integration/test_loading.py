"""An hour: loaded once and whole, reloaded, recorded, on real servers."""

import gzip
import re
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

from bookreport import reports
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.errors import ChangedWhileLoading
from bookreport.hours import Hour, Span
from bookstore import COLUMNS, ENGLISH, FULL_NAMES, HOUR, UNKNOWN, Bookstore, csv_file
from connection import Sql
from loading import ROWS, SOLD, Load, MakeRun, OpenBucket, everything, expected_rows
from truth import Purchase


@pytest.mark.parametrize(
    "contents", [[], [b""], [b"user_id,isbn10,price\n"], [b"user_id,isbn10,price"], [b"", b"\xef\xbb\xbf"]]
)
def test_an_hour_without_a_sale_is_loaded_as_an_empty_one(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database, contents: list[bytes]
) -> None:
    bookstore.fill(HOUR, *contents)
    outcome = load(HOUR)
    assert (outcome.outcome, outcome.files, outcome.rows_loaded) == ("loaded", len(contents), 0)
    assert sql("select status, files, rows_loaded from ledger") == [("loaded", len(contents), 0)]
    made = reports.make_report(database, Span.of_hour(HOUR))
    assert (made.books_sold, made.sale_value, made.buyers[0].users, made.missing) == (0, Decimal(0), 0, ())


def test_the_ledger_tells_what_was_loaded_from_which_files(bookstore: Bookstore, make_run: MakeRun, sql: Sql) -> None:
    first, second = csv_file(SOLD[:3], FULL_NAMES), gzip.compress(b"Shop," + csv_file([]) + f"x,eva,{UNKNOWN},1,100\n".encode())
    bookstore.write(HOUR, "a.csv", first)
    bookstore.write(HOUR, "b.csv.gz", second)
    bookstore.close(HOUR)
    run = make_run()
    assert run.loader.load(HOUR).outcome == "loaded"
    listed = {
        entry["Key"].rpartition("/")[2]: entry
        for entry in bookstore.client.list_objects_v2(Bucket=bookstore.bucket, Prefix=HOUR.partition)["Contents"]
    }
    assert sql(
        "select hour, status, attempts, files, bytes, rows_loaded, rows_rejected, rows_unmatched, last_error, marker_at"
        " from ledger"
    ) == [(HOUR.start, "loaded", 1, 2, len(first) + len(second), 4, 0, 1, None, listed["FULL"]["LastModified"])]
    kept = sql("select key, etag, size, last_modified, rows_loaded, rows_rejected from ledger_files order by key")
    assert kept == [
        (key, listed[key]["ETag"].strip('"'), listed[key]["Size"], listed[key]["LastModified"], rows, 0)
        for key, rows in (("a.csv", 3), ("b.csv.gz", 1))
    ]
    readings = [row[0] for row in sql("select columns from ledger_files order by key")]
    places = {column: place for place, column in enumerate(FULL_NAMES)}
    assert readings[0] == {"columns": FULL_NAMES, "extra": [], "ignored": [], "places": places, "width": 4}
    assert (readings[1]["columns"], readings[1]["extra"]) == (COLUMNS, ["Shop"])
    assert sql("select endpoint, bucket, prefix from source") == [(bookstore.store.endpoint_url, bookstore.bucket, "")]
    [(run_id, outcome, files, size, rows, books, value, before, error, seconds)] = sql(
        "select run_id::text, outcome, files, bytes, rows_loaded, books_sold, sale_value, books_sold_before, error, seconds"
        " from loads"
    )
    assert (run_id, outcome, files, size, rows) == (str(run.run_id), "loaded", 2, len(first) + len(second), 4)
    assert (books, value, before, error) == (7, sum(p.value for p in SOLD), None, None)
    assert {"copy", "total"} <= set(seconds)
    assert sql("select l.load_id = g.load_id from loads l, ledger g") == [(True,)]


def test_an_hour_that_is_loaded_is_left_as_it_is(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = everything(sql)
    bookstore.fill(HOUR, csv_file(SOLD[:1]))
    assert load(HOUR).outcome == "unchanged"
    assert everything(sql) == before


def test_a_reload_replaces_the_hour_and_no_other(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD), csv_file(SOLD[:1]))
    bookstore.fill(HOUR + 1, csv_file(SOLD[1:]))
    load(HOUR)
    load(HOUR + 1)
    neighbour = sql("select t::text from purchase_rows t where hour = %s order by 1", (HOUR + 1).start)
    corrected = [Purchase("ana", ENGLISH, 1, "12.50"), *SOLD[1:]]
    bookstore.fill(HOUR, csv_file(corrected))
    bookstore.remove(HOUR, "purchases-2.csv")
    outcome = load(HOUR, again=True)
    assert (outcome.outcome, outcome.attempt, outcome.files, outcome.rows_loaded) == ("reloaded", 2, 1, 4)
    assert sql(ROWS.replace("order", f"where hour = '{HOUR.instant}' order")) == expected_rows(corrected)
    assert sql("select t::text from purchase_rows t where hour = %s order by 1", (HOUR + 1).start) == neighbour
    assert sql("select key from ledger_files where hour = %s", HOUR.start) == [("purchases-1.csv",)]
    history = sql(
        "select outcome, books_sold_before, books_sold, sale_value_before, sale_value from loads"
        " where hour = %s order by load_id",
        HOUR.start,
    )
    first_value = sum(p.value for p in [*SOLD, SOLD[0]])
    assert history == [
        ("loaded", None, 9, None, first_value),
        ("reloaded", 9, 6, first_value, sum(p.value for p in corrected)),
    ]
    assert sql("select sum(books_sold), sum(rows) from hour_sums where hour = %s", HOUR.start) == [(6, 4)]


def test_a_reload_that_fails_leaves_the_hour_as_it_was_loaded(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = everything(sql, "ledger", "loads")
    bookstore.fill(HOUR, b"who,what\n")
    outcome = load(HOUR, again=True)
    assert outcome.outcome == "failed"
    assert everything(sql, "ledger", "loads") == before
    [(status, rows, error, attempts)] = sql("select status, rows_loaded, last_error, attempts from ledger")
    assert (status, rows, attempts) == ("loaded", 4, 2)
    assert "no column for user_id" in error
    assert sql("select outcome from loads order by load_id") == [("loaded",), ("failed",)]
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR, again=True)
    assert sql("select last_error from ledger") == [(None,)]


def test_a_reload_without_any_file_or_marker_changes_nothing(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = everything(sql, "ledger", "loads")
    bookstore.remove(HOUR, "purchases-1.csv")
    gone = load(HOUR, again=True)
    assert gone.error is not None
    assert (gone.outcome, gone.error.exit_code) == ("failed", 4)
    bookstore.remove(HOUR, "FULL")
    no_marker = load(HOUR, again=True)
    assert no_marker.error is not None
    assert (no_marker.outcome, no_marker.error.exit_code) == ("not-ready", 3)
    assert everything(sql, "ledger", "loads") == before
    assert sql("select status, rows_loaded from ledger") == [("loaded", 4)]


def test_an_open_hour_leaves_no_trace(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.write(HOUR, "purchases-1.csv", csv_file(SOLD))
    before = everything(sql)
    outcome = load(HOUR)
    assert outcome.error is not None
    assert (outcome.outcome, outcome.error.exit_code, outcome.error.hour) == ("not-ready", 3, HOUR.instant)
    assert everything(sql) == before


def test_an_open_hour_names_what_it_waits_for(bookstore: Bookstore, load: Load, open_bucket: OpenBucket) -> None:
    def refused(hour: Hour, **options: Any) -> tuple[str, str]:
        error = load(hour, **options).error
        assert error is not None
        assert error.hint is not None
        return error.message, error.hint

    bookstore.write(HOUR, "purchases-1.csv", csv_file(SOLD))
    message, hint = refused(HOUR)
    marker = f"s3://{bookstore.bucket}/{HOUR.partition}FULL"
    assert re.fullmatch(
        f"{HOUR} is not complete: it ended [0-9,]+ d [0-9]+ h ago, and {marker} is not there; 1 file is", message
    )
    assert hint == "FULL is written by whoever writes the hour, after its last file; ask them if it does not come"
    bookstore.write(HOUR, "done", b"")
    assert refused(HOUR, of=open_bucket(marker="READY"))[1] == (
        "READY is written by whoever writes the hour, after its last file; ask them if it does not come;"
        " or, if 'done' is the marker, set BOOKREPORT_MARKER"
    )
    for ahead, when in ((0, r"it ended [0-9]+ h [0-9]+ min ago"), (1, f"it ends at {Hour.last() + 2}:00Z")):
        assert re.search(f": {when}, and s3://.*/FULL is not there; nor is any file$", refused(Hour.last() + ahead)[0])


@pytest.mark.parametrize("change", ["added", "removed", "changed", "replaced while read"])
def test_an_hour_that_changes_while_it_is_loaded_is_loaded_by_the_next_run(
    bookstore: Bookstore, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD[:2]), csv_file(SOLD[2:]))
    read = Bucket.read

    def meanwhile(self: Bucket, hour: Hour, file: Any) -> Any:
        monkeypatch.setattr(Bucket, "read", read)
        chunks = list(read(self, hour, file))
        if change == "added":
            bookstore.write(HOUR, "purchases-3.csv", csv_file(SOLD))
        elif change == "removed":
            bookstore.remove(HOUR, "purchases-1.csv")
        elif change == "changed":
            bookstore.write(HOUR, "purchases-1.csv", csv_file(SOLD[:1]))
        else:
            bookstore.write(HOUR, "purchases-2.csv", csv_file(SOLD))
        return iter(chunks)

    monkeypatch.setattr(Bucket, "read", meanwhile)
    outcome = load(HOUR)
    assert outcome.outcome == "failed"
    assert isinstance(outcome.error, ChangedWhileLoading)
    assert sql("select count(*) from purchases") == [(0,)]
    second = load(HOUR)
    assert (second.outcome, second.attempt) == ("loaded", 2)
    then = {
        "added": [*SOLD, *SOLD],
        "removed": SOLD[2:],
        "changed": [SOLD[0], *SOLD[2:]],
        "replaced while read": [*SOLD[:2], *SOLD],
    }
    assert sql(ROWS) == expected_rows(then[change])


def test_the_first_and_the_last_hour_of_a_month_find_their_place(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    for hour in (Hour.of(2023, 12, 31, 23), Hour.of(2024, 1, 1, 0), Hour.of(2024, 2, 29, 23), Hour.of(2024, 3, 1, 0)):
        bookstore.fill(hour, csv_file(SOLD[:1]))
        assert load(hour).outcome == "loaded"
    assert sql("select tableoid::regclass::text, to_char(hour, 'YYYY-MM-DD HH24') from purchase_rows order by hour") == [
        ("purchase_rows_2023_12", "2023-12-31 23"),
        ("purchase_rows_2024_01", "2024-01-01 00"),
        ("purchase_rows_2024_02", "2024-02-29 23"),
        ("purchase_rows_2024_03", "2024-03-01 00"),
    ]


def test_the_rows_of_an_hour_are_those_of_its_sums_and_its_ledger(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD), csv_file(SOLD, {**COLUMNS, "purchased_at": "time"}))
    load(HOUR)
    by_isbn: dict[str, list[Purchase]] = {}
    for purchase in [*SOLD, *SOLD]:
        by_isbn.setdefault(purchase.isbn10, []).append(purchase)
    assert sql("select isbn10, rows, books_sold, sale_value from hour_sums order by 1") == [
        (isbn, len(of), sum(p.books for p in of), sum(p.value for p in of)) for isbn, of in sorted(by_isbn.items())
    ]


def test_an_hour_whose_table_holds_less_than_copy_said_is_not_kept(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    sql("""create function vanish() returns trigger language plpgsql as
        $$ begin delete from purchase_rows where user_id = new.user_id; return null; end $$""")
    sql("""create trigger vanish after insert on purchase_rows for each row
        when (new.user_id = 'bob') execute function vanish()""")
    bookstore.fill(HOUR, csv_file(SOLD))
    outcome = load(HOUR)
    assert outcome.error is not None
    assert outcome.error.message == f"{HOUR}: COPY made 4 rows, but the table holds 3; nothing was kept"
    assert sql("select count(*) from purchase_rows") == [(0,)]
    assert sql("select status from ledger") == [("failed",)]


def test_a_loaded_hour_is_loaded_though_its_index_cannot_be_summarised_now(
    bookstore: Bookstore, load: Load, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookreport.database.LOCK_SECONDS", 1)
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, csv_file(SOLD))
    assert load(HOUR).outcome == "loaded"
    vacuum = psycopg2.connect(database_url)
    with vacuum.cursor() as cursor:
        cursor.execute("lock table bookreport.purchase_rows_2024_05 in share update exclusive mode")
        assert load(HOUR + 1).outcome == "loaded"
    vacuum.close()


def test_rows_that_the_table_lost_after_copy_fail_the_hour_and_nothing_is_kept(
    bookstore: Bookstore, load: Load, sql: Sql
) -> None:
    sql(
        "create function public.lose() returns trigger language plpgsql as"
        " $$ begin delete from purchase_rows where user_id = 'eva'; return null; end $$"
    )
    sql("create trigger lose after insert on purchase_rows for each statement execute function public.lose()")
    bookstore.fill(HOUR, csv_file(SOLD))
    outcome = load(HOUR)
    assert outcome.error is not None
    assert (outcome.outcome, outcome.error.exit_code) == ("failed", 1)
    assert "COPY made 4 rows, but the table holds 3" in outcome.error.message
    assert sql("select count(*) from purchases") == [(0,)]


def test_a_file_that_is_gone_before_it_is_read_fails_its_hour_and_the_next_run_has_what_is_there(
    bookstore: Bookstore, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD[:2]), csv_file(SOLD[2:]))
    complete = Bucket.complete

    def removed(bucket: Bucket, hour: Hour) -> Any:
        found = complete(bucket, hour)
        bookstore.remove(hour, "purchases-2.csv")
        return found

    monkeypatch.setattr(Bucket, "complete", removed)
    outcome = load(HOUR)
    assert isinstance(outcome.error, ChangedWhileLoading)
    assert outcome.error.message.endswith("/purchases-2.csv: it changed during the load")
    assert sql("select status, attempts from ledger") == [("failed", 1)]
    monkeypatch.setattr(Bucket, "complete", complete)
    assert load(HOUR).rows_loaded == 2
    assert sql(ROWS) == expected_rows(SOLD[:2])
