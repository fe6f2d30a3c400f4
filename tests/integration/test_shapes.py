"""An hour of many files, no two of one shape."""

import csv
import io
from collections import Counter
from decimal import Decimal

import pytest

from bookreport import schema
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.files import File
from bookreport.hours import Hour
from bookreport.preview import preview
from bookreport.rejects import RejectLimit
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore
from connection import Sql
from loading import Load

Row = tuple[str, str, Decimal, tuple[tuple[str, str], ...] | None]

PRICE = Decimal("4.25")
"""The catalogue's price of the English book; it has none for the Spanish one."""


@pytest.fixture
def priced(sql: Sql, database: Database) -> None:
    sql('alter table public.books add "Price" numeric')
    sql('update public.books set "Price" = %s where "ISBN-10" = %s', PRICE, ENGLISH)
    schema.migrate(database, "public.books")


def written(*records: list[str]) -> bytes:
    output = io.StringIO(newline="")
    csv.writer(output, lineterminator="\n").writerows(records)
    return output.getvalue().encode()


def file_of(number: int) -> tuple[bytes, list[Row], int]:
    """Return the file of this number, of a shape of its own, with the rows it must become and the number of its rejects."""
    user, own = f"u{number}", f"it's \\ {number}"
    wide = [f"{own}, {place}" for place in range(number % 37 + 2)]
    values = [f"{number} {place}" if place % 2 else "" for place in range(len(wide))]
    match number % 8:
        case 0:
            return written(["user", "isbn", "price"], [user, SPANISH, "2"]), [(user, SPANISH, Decimal(2), None)], 0
        case 1:
            return (
                written([own, "user", "isbn", "price"], ["a, b", user, SPANISH, "3"]),
                [(user, SPANISH, Decimal(3), ((own, "a, b"),))],
                0,
            )
        case 2:
            return (
                written(["isbn", *wide, "price", "user"], [SPANISH, *values, "0.10", user]),
                [(user, SPANISH, Decimal("0.10"), tuple(sorted(zip(wide, values, strict=True))))],
                0,
            )
        case 3:
            return written(["user", "isbn"], [user, ENGLISH]), [(user, ENGLISH, PRICE, None)], 0
        case 4:
            return (
                written(["user", "isbn", own], [user, ENGLISH, "x"], [user, SPANISH, "y"]),
                [(user, ENGLISH, PRICE, ((own, "x"),))],
                1,
            )
        case 5:
            return (
                written(["user", "isbn", "price", *wide], [user, SPANISH, "none", *values], [user, SPANISH, "5", *values]),
                [(user, SPANISH, Decimal(5), tuple(sorted(zip(wide, values, strict=True))))],
                1,
            )
        case 6:
            return (
                written(["", "price", "user", own, "isbn"], ["0", "6", user, 'say "hi"', SPANISH]),
                [(user, SPANISH, Decimal(6), ((own, 'say "hi"'),))],
                0,
            )
        case _:
            return written(["user", "isbn", "price", *wide]), [], 0


def fill(bookstore: Bookstore, files: int, *, hour: Hour = HOUR, first: int = 0) -> tuple[Counter[Row], int]:
    """Write an hour of `files` files; return the rows it must become, and the number of its rejects."""
    made = [file_of(number) for number in range(first, first + files)]
    bookstore.fill(hour, *(content for content, _, _ in made))
    return Counter(row for _, rows, _ in made for row in rows), sum(rejects for _, _, rejects in made)


def loaded(sql: Sql) -> Counter[Row]:
    rows = sql("select user_id, isbn10, sale_value, extra from purchases")
    return Counter((*row[:3], None if row[3] is None else tuple(sorted(row[3].items()))) for row in rows)


@pytest.mark.usefixtures("priced")
def test_files_of_any_mixture_of_shapes_load_and_load_again(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    rows, rejects = fill(bookstore, 120)
    outcome = load(HOUR, reject_limit="100%")
    assert (outcome.outcome, outcome.rows_loaded, outcome.rows_rejected) == ("loaded", rows.total(), rejects)
    assert loaded(sql) == rows
    rows, rejects = fill(bookstore, 120, first=1000)
    outcome = load(HOUR, again=True, reject_limit="100%")
    assert (outcome.outcome, outcome.rows_loaded, outcome.rows_rejected) == ("reloaded", rows.total(), rejects)
    assert loaded(sql) == rows
    assert sql("select count(*) from rejects") == [(rejects,)]


@pytest.mark.usefixtures("priced")
def test_many_files_take_no_more_locks_than_ten(
    bookstore: Bookstore, load: Load, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []
    files_of = Bucket.files

    def files(bucket: Bucket, hour: Hour) -> tuple[File, ...]:
        # The second listing of an hour: everything is copied and added up, the commit comes next.
        [(locks,)] = sql(
            "select count(*) from pg_locks where pid in (select pid from pg_stat_activity"
            " where application_name ~ '^bookreport' and datname = current_database() and state = 'idle in transaction')"
        )
        counted.append(locks)
        return files_of(bucket, hour)

    monkeypatch.setattr(Bucket, "files", files)
    for hour, number in ((HOUR, 10), (HOUR + 1, 300)):
        fill(bookstore, number, hour=hour)
        assert load(hour, reject_limit="100%").files == number
    with_ten, with_many = counted
    assert with_many == with_ten > 0


@pytest.mark.parametrize(
    ("columns", "value", "bytes_of_row"),
    [
        (1590, "abc", 6_377),
        (1590, "abcd", 7_967),
        (326, "x" * 23, 7_841),
        (327, "x" * 23, 7_865),
        (435, "ab" * 99, 7_847),
        (436, "ab" * 99, 7_865),
    ],
)
def test_a_file_as_wide_as_a_table_loads_between_narrow_ones_but_for_rows_that_do_not_fit(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database, sql: Sql, columns: int, value: str, bytes_of_row: int
) -> None:
    names = [f"c{place}" for place in range(columns)]
    rows = [["ana", ENGLISH, "1", *("x" for _ in names)], ["eva", ENGLISH, "3", *(value for _ in names)]]
    narrow = written(["user", "isbn", "price", "note"], ["bob", ENGLISH, "2", "short"])
    bookstore.fill(HOUR, narrow, written(["user", "isbn", "price", *names], *rows), narrow)
    expected: Counter[Row] = Counter()
    expected |= {("bob", ENGLISH, Decimal(2), (("note", "short"),)): 2}
    expected[("ana", ENGLISH, Decimal(1), tuple(sorted((name, "x") for name in names)))] = 1
    fits = bytes_of_row <= 7_850
    if fits:
        expected[("eva", ENGLISH, Decimal(3), tuple(sorted((name, value) for name in names)))] = 1
    (would,) = preview(database, bucket, Columns(), [HOUR], reject_limit=RejectLimit(1)).outcomes
    outcome = load(HOUR, reject_limit="1")
    for made, name in ((would, "would-load"), (outcome, "loaded")):
        assert (made.outcome, made.rows_loaded, made.rows_rejected) == (name, 3 + fits, 1 - fits)
    assert loaded(sql) == Counter(expected)
    reason = f"its {columns + 3:,} fields need {bytes_of_row:,} bytes of a row; the limit is 7,850"
    assert sql("select line_number, reason from rejects") == ([] if fits else [(3, reason)])


def test_a_large_file_among_small_ones_leaves_nothing_behind(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    header, rows = ["user", "isbn", "price", "note"], 5000
    large = written(header, *(["ana", ENGLISH, "1", "x" * 60] for _ in range(rows)))
    small = written(header, ["bob", ENGLISH, "2", "y"])
    bookstore.fill(HOUR, small, large, small, large, small)
    assert load(HOUR).rows_loaded == 2 * rows + 3
    assert sql("select user_id, count(*) from purchases group by user_id order by 1") == [("ana", 2 * rows), ("bob", 3)]
