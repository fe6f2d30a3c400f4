"""Dirty files on a real Postgres: good records are loaded, bad ones set aside, and both paths agree."""

import csv
import io
import logging
from collections import Counter
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bookreport import schema
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.errors import BadData, CopyRefused
from bookreport.ledger import rejects
from bookreport.purchases import begin_hour, copy_rows, ensure_month, record_check
from bookreport.rejects import HourRejects, RejectLimit
from bookreport.rows import RowStream, only_plain
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file, isbn
from connection import Sql
from loading import Load
from truth import Purchase

HEADER = b"user_id,isbn10,quantity,unit_price\n"
GOOD = f"u1,{ENGLISH},1,9.99\n".encode()


def test_exactly_the_bad_lines_are_set_aside_and_all_others_loaded(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    purchases = [Purchase(f"user{number}", isbn(number), number % 9 + 1, f"{number}.25") for number in range(5000)]
    lines = csv_file(purchases).splitlines(keepends=True)
    bad = {10: b"\\.\n", 500: b"a,b\n", 2500: b"u,1,1,NaN\n", 3000: b'u,"1,1,1\n', 3003: b'u,1",1,1\n', 4999: b"u\xff,1,1,1\n"}
    for number, line in bad.items():
        lines[number - 1] = line
    bookstore.fill(HOUR, b"".join(lines))
    outcome = load(HOUR, reject_limit="6")
    assert (outcome.outcome, outcome.rows_loaded, outcome.rows_rejected) == ("loaded", 4994, 6)
    assert [row[0] for row in sql("select line_number from rejects order by 1")] == sorted(bad)
    expected = Counter(
        (purchase.user_id, purchase.quantity, Decimal(str(purchase.unit_price)))
        for number, purchase in enumerate(purchases, 2)
        if number not in bad
    )
    assert Counter(sql("select user_id, quantity, unit_price from purchases")) == expected


def test_only_the_dirty_file_takes_the_careful_path(
    bookstore: Bookstore, load: Load, sql: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    bookstore.fill(HOUR, HEADER + GOOD, HEADER + GOOD, HEADER + GOOD + b"u,1,x,1\n", HEADER + GOOD)
    with caplog.at_level(logging.DEBUG, "bookreport"):
        assert load(HOUR, reject_limit="1").outcome == "loaded"
    careful = [record.getMessage() for record in caplog.records if "record by record" in record.getMessage()]
    assert len(careful) == 1
    assert careful[0].startswith(f"{HOUR} purchases-3.csv: reading again")
    assert sql("select key, rows_loaded, rows_rejected from ledger_files order by key") == [
        ("purchases-1.csv", 1, 0),
        ("purchases-2.csv", 1, 0),
        ("purchases-3.csv", 1, 1),
        ("purchases-4.csv", 1, 0),
    ]


def test_more_rejects_than_the_limit_fail_the_hour_and_tell_the_first(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, HEADER + GOOD + b"u,1,x,1\n" * 11)
    outcome = load(HOUR, reject_limit="1%")
    assert isinstance(outcome.error, BadData)
    assert outcome.error.message.startswith(
        "11 of 12 records are bad, more than the limit of 1%: 11 like purchases-1.csv line 3: "
    )
    assert sql("select count(*) from purchase_rows") == [(0,)]
    assert sql("select status from ledger") == [("failed",)]
    assert sql("select count(*), min(line_number), max(line_number) from rejects") == [(11, 3, 13)]


def test_ten_rejects_never_fail_an_hour_by_percentage(bookstore: Bookstore, load: Load) -> None:
    bookstore.fill(HOUR, HEADER + GOOD + b"u,1,x,1\n" * 10)
    assert load(HOUR, reject_limit="1%").outcome == "loaded"


def test_a_failed_reload_keeps_the_rejects_of_the_hour_as_loaded(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, HEADER + GOOD + b"u,1,x,1\n")
    load(HOUR, reject_limit="1")
    bookstore.write(HOUR, "purchases-1.csv", HEADER + GOOD + b"u,1,y,1\n" * 5)
    assert load(HOUR, again=True, reject_limit="1").outcome == "failed"
    assert sql("select raw from rejects") == [("u,1,x,1",)]
    assert sql("select status, last_error is not null from ledger") == [("loaded", True)]


def test_a_reload_takes_the_old_rejects_away(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, HEADER + GOOD + b"u,1,x,1\n")
    load(HOUR, reject_limit="1")
    bookstore.write(HOUR, "purchases-1.csv", HEADER + GOOD)
    load(HOUR, again=True)
    assert sql("select count(*) from rejects") == [(0,)]
    assert sql("select rows_loaded, rows_rejected from ledger") == [(1, 0)]


def test_rejects_are_listed_newest_hour_first_up_to_a_limit(bookstore: Bookstore, load: Load, database: Database) -> None:
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, HEADER + b"u,1,x,1\nu,1,y,1\n")
        load(hour, reject_limit="2")
    found, total = rejects(database, None, 3)
    assert [(each.hour, each.raw) for each in found] == [(HOUR + 1, "u,1,x,1"), (HOUR + 1, "u,1,y,1"), (HOUR, "u,1,x,1")]
    assert total == 4
    for limit in (2, 10):
        found, total = rejects(database, HOUR, limit)
        assert ([each.line_number for each in found], total) == ([2, 3], 2)


def test_dirt_beside_unknown_columns_costs_its_own_line(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, b'user_id,isbn10,unit_price,note\nu1,1,1,"two\nlines"\nu2,1,x,\nu3,1,3,"a ""quote"""\n')
    assert load(HOUR, reject_limit="1").rows_loaded == 2
    assert sql("select user_id, extra->>'note' from purchases order by 1") == [("u1", "two\nlines"), ("u3", 'a "quote"')]
    assert sql("select line_number, raw from rejects") == [(4, "u2,1,x,")]


def test_without_any_price_what_the_catalogue_does_not_price_is_set_aside(
    bookstore: Bookstore, load: Load, sql: Sql, database: Database
) -> None:
    sql('alter table public.books add "Price" text')
    sql("""update public.books set "Price" = '12.50' where "ISBN-10" = %s""", ENGLISH)
    schema.migrate(database, "public.books")
    bookstore.fill(HOUR, f"user_id,isbn10,qty\nu1,{ENGLISH},2\nu2,{SPANISH},1\nu3,{ENGLISH},\n".encode())
    assert load(HOUR, reject_limit="1").rows_loaded == 2
    assert sql("select user_id, unit_price, sale_value from purchases order by 1") == [
        ("u1", Decimal("12.50"), Decimal("25.00")),
        ("u3", Decimal("12.50"), Decimal("12.50")),
    ]
    assert sql("select line_number, reason from rejects") == [(3, f"has no price, nor has the catalogue for '{SPANISH}'")]


VALUES = [
    *("1", " 1 ", "+1", "01", "0", "-1", "1000000", "1000001", "1.0", "1e1", "1_000", "0x1F", "0b1", "0o7", "_1", "1_", "1__0"),
    *("", " ", "x", "½", "１", "9" * 30, "99999999999", "1,5", "-0", "0.0", ".5", "5.", ".", "1e3", "1E+3", "1e-3", "1e131000"),
    *(
        "1e-16383",
        "1e-16384",
        "0e999999999",
        "0e999999999999",
        "0e-16383",
        "0e-16384",
        "1e99999999999999999999",
        "1e-99999999999999999999",
        "NaN",
        "Infinity",
        "-inf",
        "999999999999.99",
        "1000000000000",
        "0x1p3",
        "1 000",
        "$5",
        "1.5e",
        "--1",
    ),
]


@pytest.mark.parametrize("column", ["quantity", "unit_price", "sale_value"])
def test_both_paths_judge_a_number_alike(database: Database, column: str) -> None:
    columns = Columns()
    reading = columns.read(["user_id", "isbn10", "unit_price" if column == "quantity" else "quantity", column])
    with database.transaction() as transaction:
        ensure_month(transaction, HOUR)
    with database.transaction() as transaction:
        begin_hour(transaction, HOUR)
        for value in VALUES:
            record = io.StringIO()
            csv.writer(record, lineterminator="\n").writerow(("u1", ENGLISH, "1", value))
            line = record.getvalue().encode()
            check = record_check(transaction, "a.csv", reading, 1, columns, HourRejects(RejectLimit(count=1), {}))
            with check.rejects:
                careful = bool(b"".join(check.good_rows([line])))
            try:
                with transaction.savepoint():
                    fast = copy_rows(transaction, reading, RowStream([line])) == 1
            except CopyRefused:
                fast = False
            assert fast == careful, (value, check.hour_rejects.first)


@pytest.mark.parametrize("value", ["u", "u 1", "\x01u", "u" * 1000, "u" * 1001, "ü" * 500, "ü" * 501, "O'Brien", "\u2003u"])
def test_both_paths_judge_a_user_alike(database: Database, value: str) -> None:
    columns = Columns()
    reading = columns.read(["user_id", "isbn10", "unit_price"])
    line = f"{value},{ENGLISH},1\n".encode()
    with database.transaction() as transaction:
        ensure_month(transaction, HOUR)
    with database.transaction() as transaction:
        begin_hour(transaction, HOUR)
        check = record_check(transaction, "a.csv", reading, 1, columns, HourRejects(RejectLimit(count=1), {}))
        with check.rejects:
            careful = b"".join(check.good_rows([line]))
        try:
            with transaction.savepoint():
                fast = copy_rows(transaction, reading, RowStream(only_plain([line], reading))) == 1
        except CopyRefused:
            fast = False
    assert careful == (line if fast else b"")


letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
dirt = st.sampled_from([b'"', b",", b"\0", b"\xff", b"\n\\.\n", b"x", b'"x"', b"\n\n"])
sales = st.tuples(
    st.text(letters, min_size=1, max_size=12).map(lambda text: text.strip(" '\u00a0\ufeff")).filter(bool),
    st.text("0123456789X-", min_size=1, max_size=13),
    st.integers(1, 10**6),
    st.decimals(0, 10**6, places=3),
    st.text(letters, max_size=12),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(sales, max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1), dirt), max_size=4),
)
def test_whatever_the_damage_each_record_is_loaded_or_set_aside_and_good_ones_arrive_unchanged(
    bookstore: Bookstore,
    load: Load,
    sql: Sql,
    records: list[tuple[object, ...]],
    line_end: str,
    quoting: Literal[0, 1, 2],
    bom: bool,
    damage: list[tuple[float, bytes]],
) -> None:
    lines = []
    for record in records:
        output = io.StringIO(newline="")
        csv.writer(output, lineterminator=line_end, quoting=quoting).writerow(record)
        lines.append(output.getvalue().encode())
    whole = b"".join(lines)
    dirty = whole
    for place, what in damage:
        at = int(place * len(dirty))
        dirty = dirty[:at] + what + dirty[at:]
    header = f"user_id,isbn10,quantity,sale_value,purchased_at{line_end}".encode()
    bookstore.fill(HOUR, (b"\xef\xbb\xbf" if bom else b"") + header + dirty)
    outcome = load(HOUR, again=True, reject_limit="100")
    dirty_lines = [line.strip(b"\r") for line in dirty.split(b"\n") if line.strip()]
    assert outcome.error is None
    lines_set_aside = sum(bool(line.strip()) for (raw,) in sql("select raw from rejects") for line in raw.split("\n"))
    assert outcome.rows_loaded + lines_set_aside == len(dirty_lines)
    undamaged = Counter(
        (record[0], record[1], record[2], record[3], record[4] or None)
        for record, line in zip(records, lines, strict=True)
        if line.strip(b"\r\n") in dirty_lines
    )
    loaded = Counter(sql("select user_id, isbn10, quantity, sale_value, purchased_at from purchases"))
    assert all(loaded[record] >= 1 for record in undamaged)
    if not damage:
        assert loaded == undamaged
