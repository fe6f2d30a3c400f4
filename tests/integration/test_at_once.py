"""Runs, readers and roles at once, or with settings of their own, on real servers."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from bookreport import reports, schema
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.errors import Configuration
from bookreport.hours import Hour, Span
from bookreport.rejects import RejectLimit
from bookreport.run import Run
from bookstore import BOOKS, HOUR, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql
from loading import SOLD, Load, MakeRun, held
from truth import Book


def test_an_hour_that_another_run_holds_is_locked(bookstore: Bookstore, load: Load, database: Database, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    with held(database, HOUR):
        outcome = load(HOUR)
        assert outcome.error is not None
        assert (outcome.outcome, outcome.error.exit_code) == ("locked", 7)
        assert load(HOUR + 1).outcome == "not-ready"
    assert sql("select count(*) from loads") == [(0,)]
    assert load(HOUR).outcome == "loaded"


def test_runs_at_once_load_an_hour_once(bookstore: Bookstore, make_run: MakeRun, sql: Sql) -> None:
    hours = [HOUR + number for number in range(4)]
    for hour in hours:
        bookstore.fill(hour, csv_file(SOLD))
    loaders = [make_run() for _ in range(3)]
    start = threading.Barrier(3)

    def run(loader: Run) -> list[str]:
        start.wait()
        return [outcome.outcome for outcome in loader.load_hours(hours)]

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(run, loaders))
    for of_hour in zip(*found, strict=True):
        assert of_hour.count("loaded") == 1
        assert set(of_hour) <= {"loaded", "unchanged", "locked"}
    assert sql("select count(*), count(distinct hour) from purchases") == [(16, 4)]
    assert sql("select count(*) from loads") == [(4,)]


def test_runs_at_once_make_the_partitions_of_new_months(bookstore: Bookstore, make_run: MakeRun, sql: Sql) -> None:
    months = [Hour.of(2019, month, 1, 0) for month in range(1, 9)]
    for hour in months:
        bookstore.fill(hour, csv_file(SOLD))
        bookstore.fill(hour + 1, csv_file(SOLD))
    loaders = [make_run(), make_run()]
    start = threading.Barrier(2)

    def run(number: int) -> list[str]:
        start.wait()
        return [outcome.outcome for outcome in loaders[number].load_hours([hour + number for hour in months])]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, range(2))) == [["loaded"] * 8] * 2
    assert sql("select count(*) from purchases") == [(64,)]
    assert sql("select count(*) from pg_inherits where inhparent = 'purchase_rows'::regclass") == [(8,)]


def test_readers_wait_for_no_load_and_no_load_for_readers(
    bookstore: Bookstore, load: Load, sql: Sql, database_url: str
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    bookstore.fill(HOUR + 24 * 60, csv_file(SOLD))
    load(HOUR)
    reader = psycopg2.connect(database_url, options="-c search_path=bookreport -c lock_timeout=1s")
    with reader.cursor() as cursor:
        cursor.execute("select count(*) from purchases")
        assert cursor.fetchone() == (4,)
        # The reader's transaction stays open: a new month and a reload pass it, and it passes an unfinished reload.
        assert load(HOUR + 24 * 60).outcome == "loaded"
        assert load(HOUR, again=True).outcome == "reloaded"
        sql("begin")
        sql("delete from purchase_rows")
        cursor.execute("select count(*) from purchases")
        assert cursor.fetchone() == (8,)
        sql("rollback")
    reader.close()


def test_the_owner_may_drop_the_books_table_and_write_it_anew(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    bookstore.fill(HOUR + 1, csv_file(SOLD))
    load(HOUR)
    bigger = [*BOOKS, Book(UNKNOWN, "Hardcover", "Spanish")]
    write_books(sql, bigger)
    assert load(HOUR + 1).rows_unmatched == 0
    made = reports.make_report(database, Span(HOUR, HOUR + 2))
    assert made.unmatched.books_sold == 0
    assert made.sale_value == 2 * sum(p.value for p in SOLD)
    sql("drop table public.books")
    bookstore.fill(HOUR + 2, csv_file(SOLD))
    with pytest.raises(Configuration, match=r"public\.books"):
        load(HOUR + 2)
    assert sql("select count(*) from purchases where hour = %s", (HOUR + 2).start) == [(0,)]
    write_books(sql, bigger)
    assert load(HOUR + 2).outcome == "loaded"


def test_a_reload_works_under_a_publication_for_all_tables(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    sql("create publication everything for all tables")
    bookstore.fill(HOUR, csv_file(SOLD))
    assert load(HOUR).outcome == "loaded"
    assert load(HOUR, again=True).outcome == "reloaded"
    bookstore.fill(HOUR + 24 * 40, b"who,what\n")
    load(HOUR + 24 * 40)
    bookstore.fill(HOUR + 24 * 40, csv_file(SOLD))
    assert load(HOUR + 24 * 40).outcome == "loaded"
    assert sql("select count(*) from purchases") == [(8,)]


def test_a_role_with_settings_of_its_own_loads_the_same(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    sql("do $$ begin execute format('alter database %I set timezone = ''Asia/Kolkata''', current_database()); end $$")
    sql("do $$ begin execute format('alter database %I set datestyle = ''SQL, DMY''', current_database()); end $$")
    sql("do $$ begin execute format('alter database %I set statement_timeout = ''1s''', current_database()); end $$")
    bookstore.fill(HOUR, csv_file(SOLD))
    assert load(HOUR).outcome == "loaded"
    assert sql("select distinct hour from purchases") == [(HOUR.start,)]
    assert sql("select tableoid::regclass::text from purchase_rows limit 1") == [("purchase_rows_2024_05",)]


def test_a_reader_may_look_at_sales_with_their_books(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    shelf = {book.isbn10: (book.format, book.language) for book in BOOKS}
    assert sql("select user_id, format, language, matched, sale_value from sales order by user_id, isbn10") == [
        (p.user_id, *shelf.get(p.isbn10, (None, None)), p.isbn10 in shelf, p.value)
        for p in sorted(SOLD, key=lambda p: (p.user_id, p.isbn10))
    ]


@pytest.mark.parametrize("name", ["Prod", "other-2", "a.b"])
def test_a_schema_of_any_name_loads(bookstore: Bookstore, bucket: Bucket, database_url: str, name: str) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    other = Database(database_url, name)
    schema.migrate(other)
    loader = Run(other, bucket, Columns(), reject_limit=RejectLimit.parse("0"))
    assert loader.loader.load(HOUR).outcome == "loaded"
    other.close()
