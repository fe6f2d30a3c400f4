"""What a load makes of each file, however it was written, on real servers."""

import gzip
import logging
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

import truth
from bookreport import reports, schema
from bookreport.database import Database, Transaction
from bookreport.errors import BadData
from bookreport.hours import Span
from bookreport.present import words
from bookreport.rows import RowStream
from bookstore import COLUMNS, ENGLISH, FRENCH, FULL_NAMES, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import ROWS, SOLD, Load, MakeRun, expected_rows
from truth import Purchase


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
    made, expected = reports.make_report(database, Span.of_hour(HOUR)), sum((p.value for p in sold), Fraction())
    assert made.sale_value == expected
    assert words.money(made.sale_value) == truth.money(expected) == "3000000000100.872000000000000000003"


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
    bookstore: Bookstore, load: Load, sql: Sql, log: pytest.LogCaptureFixture, name: str
) -> None:
    log.set_level(logging.INFO)
    content = f"{name},user_id,isbn10,price\n0,ana,{ENGLISH},12.50\n1,bob,{SPANISH},7.99\n".encode()
    bookstore.fill(HOUR, content, content)
    assert load(HOUR).rows_loaded == 4
    assert sql("select distinct user_id, extra from purchases order by 1") == [("ana", None), ("bob", None)]
    assert sum("looks like an index" in record.getMessage() for record in log.records) == 1


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
    assert "purchases-1.csv: no price column in the header ['user_id', 'isbn10']" in error.message
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


def test_a_line_that_ends_copy_early_loses_no_sale(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    # Up to PostgreSQL 17, COPY silently stops at `\.`.
    content = csv_file(SOLD[:2]) + b"\\.\n" + csv_file(SOLD[2:]).partition(b"\n")[2]
    bookstore.fill(HOUR, content)
    load(HOUR, reject_limit="1")
    assert sql(ROWS) == expected_rows(SOLD)


def test_copy_that_made_fewer_rows_than_lines_went_by_is_not_believed(
    bookstore: Bookstore, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Does on any server what one before PostgreSQL 18 does at such a line: COPY gets only the first two rows.
    copy, calls = Transaction.copy, []

    def early(self: Transaction, table: str, columns: Any, stream: Any, options: str) -> int:
        calls.append(table)
        if len(calls) > 1:
            return copy(self, table, columns, stream, options)
        lines = b"".join(iter(stream.read, b"")).splitlines(keepends=True)
        return copy(self, table, columns, RowStream(lines[:2]), options)

    monkeypatch.setattr(Transaction, "copy", early)
    bookstore.fill(HOUR, csv_file(SOLD))
    assert load(HOUR).outcome == "loaded"
    assert calls[:2] == ["purchase_rows", "purchase_rows"]
    assert sql(ROWS) == expected_rows(SOLD)


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


def test_a_file_of_more_columns_than_a_table_can_have_fails_its_hour_alone(bookstore: Bookstore, make_run: MakeRun) -> None:
    many = ",".join(f"c{number}" for number in range(1700))
    bookstore.fill(HOUR, f"user_id,isbn10,unit_price,{many}\n".encode())
    bookstore.fill(HOUR + 1, csv_file(SOLD))
    outcomes = list(make_run().load_hours([HOUR, HOUR + 1]))
    assert [(outcome.outcome, outcome.error and outcome.error.exit_code) for outcome in outcomes] == [
        ("failed", 4),
        ("loaded", None),
    ]
