"""What a load brings in, records and promises, on real servers."""

import gzip
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg2
import pytest

import truth
from bookreport import render, reports, schema
from bookreport.columns import Columns
from bookreport.database import Database, Transaction
from bookreport.errors import BadData, ChangedWhileLoading, Configuration
from bookreport.hours import Hour, Span
from bookreport.loader import Loader, Outcome
from bookreport.rejects import RejectLimit
from bookreport.rows import RowStream
from bookreport.source import Bucket
from bookstore import BOOKS, COLUMNS, ENGLISH, FRENCH, HOUR, POCKET, SPANISH, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql
from truth import Book, Purchase

Load = Callable[..., Outcome]
MakeLoader = Callable[..., Loader]

SOLD = [
    Purchase("ana", ENGLISH, 2, "12.50"),
    Purchase("bob", SPANISH, 1, "7.99"),
    Purchase("ana", POCKET, 3, "0.05"),
    Purchase("eva", UNKNOWN, 1, "100"),
]
ROWS = "select user_id, isbn10, quantity, unit_price, sale_value from purchases order by user_id, isbn10"
TABLES = ("purchase_rows", "hour_sums", "ledger", "ledger_files", "loads", "rejects", "source")


def expected_rows(purchases: list[Purchase]) -> list[tuple[Any, ...]]:
    rows = [(p.user_id, p.isbn10, p.books, None if p.unit_price is None else Decimal(p.unit_price), p.value) for p in purchases]
    return sorted(rows, key=lambda row: row[:2])


def everything(sql: Sql, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that is stored, to be compared with what is stored later."""
    return {table: sorted(sql(f"select t::text from {table} t")) for table in TABLES if table not in but}


FULL_NAMES = {"user_id": "User ID", "isbn10": "ISBN-10", "quantity": "Qty", "unit_price": "Price"}


@pytest.mark.parametrize(
    "content",
    [
        csv_file(SOLD),
        csv_file(SOLD).removesuffix(b"\n"),
        csv_file(SOLD, line_end="\r\n"),
        b"\xef\xbb\xbf" + csv_file(SOLD),
        b"\xef\xbb\xbf" + csv_file(SOLD, line_end="\r\n"),
        gzip.compress(csv_file(SOLD)),
        gzip.compress(csv_file(SOLD)[:60]) + gzip.compress(csv_file(SOLD)[60:]),
        gzip.compress(b"\xef\xbb\xbf" + csv_file(SOLD, line_end="\r\n")),
        csv_file(SOLD, FULL_NAMES),
        csv_file(SOLD, dict(reversed(COLUMNS.items()))),
        csv_file(SOLD, {name: COLUMNS[name] for name in ("unit_price", "user_id", "quantity", "isbn10")}),
        b"\n".join(b",".join(b'"%s"' % field for field in line.split(b",")) for line in csv_file(SOLD).splitlines()) + b"\n",
    ],
    ids=[
        "plain",
        "no last line end",
        "CRLF",
        "BOM",
        "BOM and CRLF",
        "gzip",
        "gzip of two members",
        "gzip of BOM and CRLF",
        "other names",
        "reversed order",
        "any order",
        "all quoted",
    ],
)
def test_a_file_is_loaded_however_it_was_written(bookstore: Bookstore, load: Load, sql: Sql, content: bytes) -> None:
    bookstore.fill(HOUR, content)
    outcome = load(HOUR)
    assert (outcome.outcome, outcome.rows_loaded, outcome.rows_unmatched, outcome.bytes) == ("loaded", 4, 1, len(content))
    assert sql(ROWS) == expected_rows(SOLD)
    assert sql("select distinct hour from purchases") == [(HOUR.start,)]


def test_gzip_is_known_by_its_first_bytes_and_not_by_its_name(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.write(HOUR, "a.csv", gzip.compress(csv_file(SOLD[:2])))
    bookstore.write(HOUR, "b.csv.gz", csv_file(SOLD[2:]))
    bookstore.close(HOUR)
    assert load(HOUR).outcome == "loaded"
    assert sql(ROWS) == expected_rows(SOLD)


def test_files_of_one_hour_may_differ_in_their_columns(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    total = [Purchase("zoe", FRENCH, 4, None, "31.99")]
    bookstore.fill(
        HOUR,
        csv_file(SOLD[:2], FULL_NAMES),
        csv_file(SOLD[2:], dict(reversed(COLUMNS.items()))),
        csv_file(total, {"sale_value": "Total", "isbn10": "ISBN", "user_id": "Customer", "quantity": "copies"}),
    )
    assert load(HOUR).rows_loaded == 5
    assert sql(ROWS) == expected_rows([*SOLD, *total])


def test_an_absent_or_empty_quantity_is_one(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    empty = [Purchase("ana", ENGLISH, None, "3.10"), Purchase("bob", ENGLISH, 2, "3.10")]
    bookstore.fill(
        HOUR,
        csv_file(empty),
        csv_file([Purchase("eva", ENGLISH)], {"user_id": "user", "isbn10": "isbn", "unit_price": "price"}),
    )
    assert load(HOUR).rows_loaded == 3
    assert sql("select user_id, quantity, sale_value from purchases order by 1") == [
        ("ana", 1, Decimal("3.10")),
        ("bob", 2, Decimal("6.20")),
        ("eva", 1, Decimal("10.00")),
    ]


def test_with_a_price_and_a_total_the_total_counts(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    rows = [Purchase("ana", ENGLISH, 3, "10", "25.00"), Purchase("bob", ENGLISH, 3, "10", None)]
    columns = {**COLUMNS, "sale_value": "total"}
    bookstore.fill(HOUR, csv_file(rows, columns))
    assert load(HOUR).rows_loaded == 2
    assert sql("select unit_price, sale_value from purchases order by user_id") == [(10, Decimal("25.00")), (10, 30)]


def test_money_is_exact_from_the_file_to_the_report(bookstore: Bookstore, load: Load, sql: Sql, database: Database) -> None:
    prices = ["0.1", "0.2", "999999999999.99", "0.000000000000000000001", "1e-3", "33.333"]
    sold = [Purchase(f"u{number}", ENGLISH, 3, price) for number, price in enumerate(prices)]
    bookstore.fill(HOUR, csv_file(sold))
    load(HOUR)
    assert [row[0] for row in sql("select unit_price from purchases order by user_id")] == [Decimal(price) for price in prices]
    made = reports.make_report(database, Span.of_hour(HOUR))
    assert made.sale_value == sum(p.value for p in sold)
    assert render.money(made.sale_value) == truth.money(sum(p.value for p in sold)) == "3000000000100.872000000000000000003"


def test_text_is_kept_as_it_is_written(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    rows = [
        Purchase('Zoë, "the reader"', "0-306-40615-2", purchased_at="yesterday, about noon"),
        Purchase("O'Brien; drop table", "978-0-306-40615-7", purchased_at="13:61"),
        Purchase("NULL", "03064 06152", purchased_at=r" \N "),
    ]
    columns = {"user_id": "user", "isbn10": "isbn", "unit_price": "price", "purchased_at": "date"}
    bookstore.fill(HOUR, csv_file(rows, columns))
    assert load(HOUR).rows_loaded == 3
    assert sorted(sql("select user_id, isbn10, purchased_at from purchases")) == sorted(
        (row.user_id, row.isbn10, row.purchased_at) for row in rows
    )


def test_columns_that_nobody_knows_are_kept_by_their_own_names(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    content = (
        b"Order No,user_id,isbn10,quantity,price,it's \\ odd,note,note\n"
        b'7,ana,%(a)s,2,12.50,"a, b",,x\n8,bob,%(b)s,,7.99,"say ""hi""",y,\n' % {b"a": ENGLISH.encode(), b"b": SPANISH.encode()}
    )
    bookstore.fill(HOUR, content, csv_file([Purchase("eva", ENGLISH)]))
    assert load(HOUR).rows_loaded == 3
    assert sql("select user_id, quantity, sale_value, extra from purchases order by user_id") == [
        ("ana", 2, Decimal("25.00"), {"Order No": "7", "it's \\ odd": "a, b", "note": "", "note (2)": "x"}),
        ("bob", 1, Decimal("7.99"), {"Order No": "8", "it's \\ odd": 'say "hi"', "note": "y", "note (2)": ""}),
        ("eva", 1, Decimal("10.00"), None),
    ]


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_an_index_that_pandas_left_is_dropped_and_told_once(
    bookstore: Bookstore, load: Load, sql: Sql, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(logging.getLogger("bookreport"), "propagate", True)
    caplog.set_level(logging.INFO)
    content = f"{name},user_id,isbn10,price\n0,ana,{ENGLISH},12.50\n1,bob,{SPANISH},7.99\n".encode()
    bookstore.fill(HOUR, content, content)
    assert load(HOUR).rows_loaded == 4
    assert sql("select distinct user_id, extra from purchases order by 1") == [("ana", None), ("bob", None)]
    assert sum("taken for an index" in record.getMessage() for record in caplog.records) == 1


def test_without_a_price_in_the_file_the_catalogue_has_it(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database
) -> None:
    sql("alter table public.books add column \"Unit Price\" text default '4.25'")
    schema.migrate(database, "public.books")
    content = f"user_id,isbn10,quantity\nana,{ENGLISH},2\nbob,0-306-40615-2,\n".encode()
    bookstore.fill(HOUR, content)
    assert load(HOUR).rows_loaded == 2
    assert sql("select user_id, unit_price, sale_value from purchases order by 1") == [
        ("ana", Decimal("4.25"), Decimal("8.50")),
        ("bob", Decimal("4.25"), Decimal("4.25")),
    ]
    sql("update public.books set \"Unit Price\" = '99'")
    assert sql("select sum(sale_value) from purchases") == [(Decimal("12.75"),)]


def test_without_a_price_anywhere_the_hour_fails_with_a_hint(bookstore: Bookstore, load: Load) -> None:
    bookstore.fill(HOUR, f"user_id,isbn10\nana,{ENGLISH}\n".encode())
    error = load(HOUR).error
    assert isinstance(error, BadData)
    assert "purchases-1.csv: no column for a price in the header ['user_id', 'isbn10']" in error.message
    assert "BOOKREPORT_COLUMNS" in str(error.hint)


def test_a_header_that_can_not_be_read_fails_its_hour_by_name(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD), b"who,what,price\nana,1,2\n")
    outcome = load(HOUR)
    assert (outcome.outcome, outcome.attempt) == ("failed", 1)
    assert isinstance(outcome.error, BadData)
    assert (
        "purchases-2.csv: line 1: no column for user_id and isbn10 in the header ['who', 'what', 'price']"
        in outcome.error.message
    )
    assert outcome.error.hour == HOUR.instant
    assert sql("select count(*) from purchases") == [(0,)]
    assert sql("select status, attempts, last_error, rows_loaded from ledger") == [("failed", 1, outcome.error.message, 0)]
    assert sql("select outcome, error, rows_loaded from loads") == [("failed", outcome.error.message, None)]
    assert sql("select count(*) from ledger_files") == [(0,)]


def test_declared_columns_and_a_given_header_are_followed(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD, {"isbn10": "code", "user_id": "client no", "quantity": "qty", "unit_price": "price"}))
    assert load(HOUR, columns="user_id=client no,isbn10=code").rows_loaded == 4
    headless = b"\xef\xbb\xbf" + csv_file(SOLD).partition(b"\n")[2]
    bookstore.fill(HOUR + 1, headless, b"")
    assert load(HOUR + 1, header="user_id,isbn10,quantity,unit_price").rows_loaded == 4
    assert sql(f"{ROWS} limit 8") == sorted(expected_rows([*SOLD, *SOLD]), key=lambda row: row[:2])


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
    assert (made.books_sold, made.sale_value, made.buyers[0].users, made.missing) == (0, 0, 0, ())


def test_a_line_that_ends_copy_early_loses_no_sale(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    # Up to PostgreSQL 17 COPY stops there without a word.
    content = csv_file(SOLD[:2]) + b"\\.\n" + csv_file(SOLD[2:]).partition(b"\n")[2]
    bookstore.fill(HOUR, content)
    load(HOUR, reject_limit="1")
    assert sql(ROWS) == expected_rows(SOLD)


def test_copy_that_made_fewer_rows_than_lines_went_by_is_not_believed(
    bookstore: Bookstore, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a server before PostgreSQL 18 does at such a line, done on any server: COPY gets the first two rows alone.
    copy, calls = Transaction.copy, []

    def early(self: Transaction, table: str, columns: Any, stream: Any, options: str) -> int:
        calls.append(table)
        if len(calls) > 1:
            return copy(self, table, columns, stream, options)
        lines = b"".join(iter(stream.read, b"")).splitlines(keepends=True)
        return copy(self, table, columns, RowStream(lines[:2]), options)

    monkeypatch.setattr(Transaction, "copy", early)
    bookstore.fill(HOUR, csv_file(SOLD))
    outcome = load(HOUR)
    assert len(calls) > 1 or outcome.outcome == "failed"
    assert sql(ROWS) == (expected_rows(SOLD) if outcome.outcome == "loaded" else [])


def test_blank_lines_and_quoted_line_ends_lose_no_sale(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    content = f'user_id,isbn10,price\nana,{ENGLISH},1\n\n"bob\nthe builder",{SPANISH},2\neva,{ENGLISH},3\n\n'.encode()
    bookstore.fill(HOUR, content)
    assert load(HOUR, reject_limit="2").outcome == "loaded"
    users = {row[0] for row in sql("select user_id from purchases")}
    assert {"ana", "eva"} <= users
    assert sql("select count(*) from purchases union all select count(*) from rejects where raw like '%%bob%%'") in (
        [(3,), (0,)],
        [(2,), (1,)],
    )


def test_the_ledger_tells_what_was_loaded_from_which_files(bookstore: Bookstore, make_loader: MakeLoader, sql: Sql) -> None:
    first, second = csv_file(SOLD[:3], FULL_NAMES), gzip.compress(b"Shop," + csv_file([]) + f"x,eva,{UNKNOWN},1,100\n".encode())
    bookstore.write(HOUR, "a.csv", first)
    bookstore.write(HOUR, "b.csv.gz", second)
    bookstore.close(HOUR)
    loader = make_loader()
    assert loader.load(HOUR).outcome == "loaded"
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
    assert readings[0] == {"columns": FULL_NAMES, "extra": [], "ignored": []}
    assert (readings[1]["columns"], readings[1]["extra"]) == (COLUMNS, ["Shop"])
    assert sql("select endpoint, bucket, prefix from source") == [(bookstore.store.endpoint_url, bookstore.bucket, "")]
    [(run_id, outcome, files, size, rows, books, value, before, error, seconds)] = sql(
        "select run_id::text, outcome, files, bytes, rows_loaded, books_sold, sale_value, books_sold_before, error, seconds"
        " from loads"
    )
    assert (run_id, outcome, files, size, rows) == (str(loader.run_id), "loaded", 2, len(first) + len(second), 4)
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


def test_an_hour_that_another_run_holds_is_locked(bookstore: Bookstore, load: Load, database: Database, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    with database.transaction() as transaction:
        assert transaction.try_lock(HOUR.instant)
        outcome = load(HOUR)
        assert outcome.error is not None
        assert (outcome.outcome, outcome.error.exit_code) == ("locked", 7)
        assert load(HOUR + 1).outcome == "not-ready"
    assert sql("select count(*) from loads") == [(0,)]
    assert load(HOUR).outcome == "loaded"


def test_runs_at_once_load_an_hour_once(bookstore: Bookstore, make_loader: MakeLoader, sql: Sql) -> None:
    hours = [HOUR + number for number in range(4)]
    for hour in hours:
        bookstore.fill(hour, csv_file(SOLD))
    loaders = [make_loader() for _ in range(3)]
    start = threading.Barrier(3)

    def run(loader: Loader) -> list[str]:
        start.wait()
        return [outcome.outcome for outcome in loader.load_hours(hours)]

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(run, loaders))
    for of_hour in zip(*found, strict=True):
        assert of_hour.count("loaded") == 1
        assert set(of_hour) <= {"loaded", "unchanged", "locked"}
    assert sql("select count(*), count(distinct hour) from purchases") == [(16, 4)]
    assert sql("select count(*) from loads") == [(4,)]


def test_runs_at_once_make_the_partitions_of_new_months(bookstore: Bookstore, make_loader: MakeLoader, sql: Sql) -> None:
    months = [Hour.of(2019, month, 1, 0) for month in range(1, 9)]
    for hour in months:
        bookstore.fill(hour, csv_file(SOLD))
        bookstore.fill(hour + 1, csv_file(SOLD))
    loaders = [make_loader(), make_loader()]
    start = threading.Barrier(2)

    def run(number: int) -> list[str]:
        start.wait()
        return [outcome.outcome for outcome in loaders[number].load_hours([hour + number for hour in months])]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, range(2))) == [["loaded"] * 8] * 2
    assert sql("select count(*) from purchases") == [(64,)]
    assert sql("select count(*) from pg_inherits where inhparent = 'purchase_rows'::regclass") == [(8,)]


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


OTHER_SOURCES = [{"prefix": "shop/"}, {"name": "another"}, {"endpoint_url": "http://127.0.0.1:1"}]


@pytest.mark.parametrize("other", OTHER_SOURCES, ids=["prefix", "bucket", "endpoint"])
def test_a_run_against_another_source_stops_and_changes_nothing(
    bookstore: Bookstore,
    load: Load,
    make_loader: MakeLoader,
    open_bucket: Callable[..., Bucket],
    sql: Sql,
    other: dict[str, str],
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = everything(sql)
    with pytest.raises(Configuration, match="another source") as caught:
        make_loader(open_bucket(**other))
    assert "--new-source" in str(caught.value.hint)
    assert everything(sql) == before


def test_a_bucket_that_has_moved_is_taken_when_that_is_said(
    bookstore: Bookstore, load: Load, make_loader: MakeLoader, open_bucket: Callable[..., Bucket], sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    bookstore.put(f"shop/{(HOUR + 1).partition}FULL")
    moved = open_bucket(prefix="shop/")
    assert make_loader(moved, new_source=True).load(HOUR + 1).outcome == "loaded"
    assert sql("select prefix from source") == [("shop/",)]
    assert make_loader(moved).pending() == []
    with pytest.raises(Configuration, match="another source"):
        make_loader()


def test_a_bad_hour_stops_only_itself(bookstore: Bookstore, make_loader: MakeLoader, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    bookstore.fill(HOUR + 1, b"who,what\n")
    bookstore.fill(HOUR + 2, csv_file(SOLD))
    outcomes = list(make_loader().load_hours([HOUR, HOUR + 1, HOUR + 2, HOUR + 3]))
    assert [outcome.outcome for outcome in outcomes] == ["loaded", "failed", "loaded", "not-ready"]
    assert sql("select hour, status from ledger order by 1") == [
        (HOUR.start, "loaded"),
        ((HOUR + 1).start, "failed"),
        ((HOUR + 2).start, "loaded"),
    ]


def test_a_store_that_goes_away_ends_the_run(
    bookstore: Bookstore, make_loader: MakeLoader, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number, csv_file(SOLD))
    loader, read = make_loader(), Bucket.read

    def away(self: Bucket, hour: Hour, file: Any) -> Any:
        if hour == HOUR + 1:
            self._client.meta.events.register("before-send.s3", lambda **_: (_ for _ in ()).throw(OSError("unplugged")))
        return read(self, hour, file)

    monkeypatch.setattr(Bucket, "read", away)
    monkeypatch.setattr("time.sleep", lambda _: None)
    outcomes = list(loader.load_hours([HOUR, HOUR + 1, HOUR + 2]))
    assert [outcome.outcome for outcome in outcomes] == ["loaded", "failed"]
    assert outcomes[-1].error is not None
    assert outcomes[-1].error.exit_code == 5
    assert sql("select count(distinct hour) from purchases") == [(1,)]


def test_the_rows_of_an_hour_are_those_of_its_sums_and_its_ledger(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD), csv_file(SOLD, {**COLUMNS, "purchased_at": "time"}))
    load(HOUR)
    by_isbn: dict[str, list[Purchase]] = {}
    for purchase in [*SOLD, *SOLD]:
        by_isbn.setdefault(purchase.isbn10, []).append(purchase)
    assert sql("select isbn10, rows, books_sold, sale_value from hour_sums order by 1") == [
        (isbn, len(of), sum(p.books for p in of), sum(p.value for p in of)) for isbn, of in sorted(by_isbn.items())
    ]


def test_a_reader_may_look_at_sales_with_their_books(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    shelf = {book.isbn10: (book.format, book.language) for book in BOOKS}
    assert sql("select user_id, format, language, matched, sale_value from sales order by user_id, isbn10") == [
        (p.user_id, *shelf.get(p.isbn10, (None, None)), p.isbn10 in shelf, p.value)
        for p in sorted(SOLD, key=lambda p: (p.user_id, p.isbn10))
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


def test_a_move_of_the_bucket_is_taken_though_nothing_is_pending(
    bookstore: Bookstore, load: Load, make_loader: MakeLoader, sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    sql("update source set bucket = 'the-old-one'")
    make_loader(new_source=True).take_source()
    assert make_loader().pending() == []
    assert sql("select bucket from source") == [(bookstore.bucket,)]


def test_a_bucket_that_is_not_there_is_never_taken_and_fails_no_hour(
    bookstore: Bookstore, load: Load, make_loader: MakeLoader, open_bucket: Callable[..., Bucket], sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = [sql(f"select to_jsonb(t) from {table} t order by 1::text") for table in TABLES]
    mistaken = make_loader(open_bucket("no-such-bucket"), new_source=True)
    with pytest.raises(Configuration, match="no bucket"):
        mistaken.take_source()
    outcome = mistaken.load(HOUR, again=True)
    assert (outcome.outcome, outcome.error and outcome.error.exit_code) == ("failed", 6)
    assert [sql(f"select to_jsonb(t) from {table} t order by 1::text") for table in TABLES] == before


def test_a_file_of_more_columns_than_a_table_can_have_fails_its_hour_alone(
    bookstore: Bookstore, make_loader: MakeLoader
) -> None:
    many = ",".join(f"c{number}" for number in range(1700))
    bookstore.fill(HOUR, f"user_id,isbn10,unit_price,{many}\n".encode())
    bookstore.fill(HOUR + 1, csv_file(SOLD))
    outcomes = list(make_loader().load_hours([HOUR, HOUR + 1]))
    assert [(outcome.outcome, outcome.error and outcome.error.exit_code) for outcome in outcomes] == [
        ("failed", 4),
        ("loaded", None),
    ]


@pytest.mark.parametrize("name", ["Prod", "other-2", "a.b"])
def test_a_schema_of_any_name_loads(bookstore: Bookstore, bucket: Bucket, database_url: str, name: str) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    other = Database(database_url, name)
    schema.migrate(other)
    loader = Loader(other, bucket, Columns(), reject_limit=RejectLimit.parse("0"))
    assert loader.load(HOUR).outcome == "loaded"
    other.close()
