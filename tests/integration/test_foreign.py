"""Files from elsewhere: each oddity that once silently lost a sale, on real servers; a dry run must agree."""

import gzip
import logging
import re
from decimal import Decimal

import pytest

from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.errors import BadData, TooManyRejects
from bookreport.files import File
from bookreport.hours import Hour
from bookreport.outcomes import Outcome
from bookreport.preview import preview
from bookreport.rejects import RejectLimit
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun
from truth import Purchase

GOOD = csv_file([Purchase("good", SPANISH, 1, "1.00")])
HEADER = "user_id,isbn10,price\n"
SALE = f"u1,{ENGLISH},12.50\n"
NOTED = "user_id,isbn10,price,note\n"

ROWS = "select user_id, isbn10, sale_value from purchases where user_id <> 'good' order by user_id, sale_value"
U1 = ("u1", ENGLISH, Decimal("12.50"))

NO_NUMBER = "unit_price 'n/a' is not a number"
OUT_OF_BOUNDS = "unit_price '{}' is not between 0 and 999,999,999,999"

LOADED: dict[str, tuple[str, list[tuple[str, str, Decimal]], list[tuple[int, str]]]] = {
    # The file, its rows, and what is set aside: line and reason.
    "a blank first line": ("\n" + HEADER + SALE, [U1], []),
    "a first line of blanks": (" \t\n\n" + HEADER + SALE, [U1], []),
    "a blank first line behind a byte order mark": ("\ufeff\n" + HEADER + SALE, [U1], []),
    "blank lines before the header, and a bad record": (
        "\n\n" + HEADER + SALE + f"u2,{ENGLISH},n/a\n",
        [U1],
        [(5, NO_NUMBER)],
    ),
    "a quote beside a user": (
        HEADER + SALE + f'u"1",{ENGLISH},1\n',
        [U1],
        [(3, "field 1 contains a quote but is not quoted")],
    ),
    "a quote within a price": (
        HEADER + SALE + f'u1,{ENGLISH},1"2".50\n',
        [U1],
        [(3, "field 3 contains a quote but is not quoted")],
    ),
    "a backslash before a quote": (
        NOTED + f"u1,{ENGLISH},12.50,x\nu1,{ENGLISH},1," + '\\"twice\\"\n',
        [U1],
        [(3, "field 4 contains a quote but is not quoted")],
    ),
    "a quote for an inch": (
        NOTED + f"u1,{ENGLISH},12.50,x\n" + f'"Men\'s Boxer, 5","" Inseam,{ENGLISH},1,2\n',
        [U1],
        [(3, "field 2 has text after its closing quote")],
    ),
    "a pair of stray quotes over bad sales": (
        NOTED + f'u1,{ENGLISH},12.50,"x\nu2,{ENGLISH},n/a,y\nu3,{ENGLISH},n/a,"z\nu1,{ENGLISH},12.50,\n',
        [U1],
        [(2, "a quote is not closed on its line"), (3, NO_NUMBER), (4, "a quote is not closed on its line")],
    ),
    "a pair of stray quotes over good sales": (
        NOTED + f'u1,{ENGLISH},9,"x\nu1,{ENGLISH},12.50,y\nu3,{ENGLISH},8,z"\n',
        [U1],
        [(2, "a quote is not closed on its line"), (4, "field 4 contains a quote but is not quoted")],
    ),
    "blanks behind commas": (f"user_id, isbn10, price\nu1, {ENGLISH}, 12.50\n", [U1], []),
    "blanks and byte order marks around users": (
        HEADER + f"u1,{ENGLISH},1\n u1,{ENGLISH},2\nu1 ,\t{ENGLISH} ,3\n\ufeffu1,\u00a0{ENGLISH}\ufeff,4\n",
        [("u1", ENGLISH, Decimal(value)) for value in (1, 2, 3, 4)],
        [],
    ),
    "repeats the header": (
        HEADER + SALE + HEADER + f"u2,{ENGLISH},1\n",
        [U1, ("u2", ENGLISH, Decimal(1))],
        [(3, "repeats the header")],
    ),
    "a price with too large an exponent": (
        HEADER + SALE + f"u2,{ENGLISH},1e99999999999999999999\nu3,{ENGLISH},0e999999999999\n",
        [U1],
        [(3, OUT_OF_BOUNDS.format("1e99999999999999999999")), (4, OUT_OF_BOUNDS.format("0e999999999999"))],
    ),
    "a carriage return in a user": (HEADER + SALE + f'"u\r1",{ENGLISH},1\n', [U1], [(3, "user_id contains a line break")]),
    "a carriage return in a user, and a bad record": (
        HEADER + SALE + f'"u\r1",{ENGLISH},1\nu2,{ENGLISH},n/a\n',
        [U1],
        [(3, "user_id contains a line break"), (4, NO_NUMBER)],
    ),
}

REFUSED = {
    # The file, and the error.
    "a name of the header that goes on over lines": (
        f'user_id,isbn10,price,"note\nu1,{ENGLISH},2.00,x\nu2,{ENGLISH},3.00,y"\nu3,{ENGLISH},1,z\n',
        "line 1: the quote in 'note', field 4 of the header, is not closed on the same line",
    ),
    "apostrophes for quotes in the header": (
        f"'user_id','isbn10','price'\n'u1','{ENGLISH}','12.50'\n",
        "line 1: the header [\"'user_id'\", \"'isbn10'\", \"'price'\"] is quoted with apostrophes",
    ),
    "apostrophes for quotes in the records": (
        HEADER + f"'u1','{ENGLISH}','12.50'\n'u2','{ENGLISH}','12.50'\n",
        "2 of 2 records are quoted with apostrophes",
    ),
    "apostrophes for quotes but in the price": (
        HEADER + f"'u1','{ENGLISH}',12.50\n'u2','{ENGLISH}',12.50\n",
        "2 of 2 records are quoted with apostrophes",
    ),
    "a second table, its columns in another order": (
        HEADER + SALE + f"isbn10,user_id,unit_price\n{ENGLISH},u2,1\n",
        "line 3: a second header, ['isbn10', 'user_id', 'unit_price'], unlike the file's first, ['user_id', 'isbn10', 'price']",
    ),
    "a second table without users": (
        "\n" + HEADER + SALE + f"isbn,title,price\n{ENGLISH},Emma,1\n",
        "line 4: a second header, ['isbn', 'title', 'price']",
    ),
}


def written(text: str) -> list[bytes]:
    """Return a file in four forms: with LF and CRLF, plain and gzipped."""
    ended = [text.encode(), text.replace("\n", "\r\n").encode()]
    return [*ended, *map(gzip.compress, ended)]


def looked_at(database: Database, bucket: Bucket, hour: Hour = HOUR, reject_limit: str = "100") -> Outcome:
    """Return what a dry run says about the hour."""
    (outcome,) = preview(database, bucket, Columns(), [hour], reject_limit=RejectLimit.parse(reject_limit)).outcomes
    return outcome


@pytest.mark.parametrize("name", LOADED)
def test_every_record_is_loaded_or_set_aside(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database, sql: Sql, name: str
) -> None:
    text, rows, rejects = LOADED[name]
    files = written(text)
    bookstore.fill(HOUR, *files, GOOD)
    would = looked_at(database, bucket)
    outcome = load(HOUR, reject_limit="100")
    counts = (len(rows) * len(files) + 1, len(rejects) * len(files))
    assert (outcome.outcome, outcome.rows_loaded, outcome.rows_rejected) == ("loaded", *counts)
    assert (would.outcome, would.rows_loaded, would.rows_rejected) == ("would-load", *counts)
    assert sql(ROWS) == sorted(rows * len(files))
    assert sql("select key, line_number, reason from rejects order by key, line_number") == [
        (f"purchases-{number}.csv", line, reason) for number in range(1, len(files) + 1) for line, reason in rejects
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_would_be_misread_is_refused_with_the_cause(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database, sql: Sql, name: str
) -> None:
    text, message = REFUSED[name]
    for number, content in enumerate(written(text)):
        hour = HOUR + number
        bookstore.fill(hour, GOOD, content, GOOD)
        would = looked_at(database, bucket, hour)
        outcome = load(hour, reject_limit="100")
        assert isinstance(outcome.error, BadData)
        assert outcome.error.message.startswith(f"{bucket.url(hour, 'purchases-2.csv')}: {message}")
        assert outcome.error.hint
        assert would.error is not None
        assert (would.outcome, would.error.message, would.error.hint) == ("failed", outcome.error.message, outcome.error.hint)
    assert sql("select count(*) from purchase_rows") == [(0,)]


def test_blank_lines_are_told(bookstore: Bookstore, load: Load, caplog: pytest.LogCaptureFixture) -> None:
    bookstore.fill(HOUR, f"\n\n{HEADER}{SALE}\n{SALE}\n\n".encode())
    with caplog.at_level(logging.INFO, "bookreport"):
        assert load(HOUR).rows_loaded == 2
    told = [record.getMessage() for record in caplog.records if "blank" in record.getMessage()]
    assert told == [
        f"{HOUR} purchases-1.csv: blank lines before the header skipped: 2",
        f"{HOUR} purchases-1.csv: blank lines skipped: 3",
    ]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("before", ["", "\n"])
def test_another_encoding_is_named(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database, encoding: str, before: str, packed: bool
) -> None:
    content = (before + HEADER + SALE).encode(encoding)
    bookstore.fill(HOUR, gzip.compress(content) if packed else content)
    outcome = load(HOUR)
    assert isinstance(outcome.error, BadData)
    assert f"the file looks like {encoding[:6].upper()}" in outcome.error.message
    assert looked_at(database, bucket).outcome == "failed"


@pytest.mark.parametrize("records", [1, 10])
def test_ten_rejects_are_not_forgiven_where_a_file_has_no_good_record(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database, sql: Sql, records: int
) -> None:
    bookstore.fill(HOUR, GOOD, (HEADER + f"u1,{ENGLISH},n/a\n" * records).encode())
    assert looked_at(database, bucket, reject_limit="1%").outcome == "failed"
    outcome = load(HOUR, reject_limit="1%")
    assert isinstance(outcome.error, BadData)
    assert f"{records} of {records + 1} records are bad" in outcome.error.message
    assert sql("select count(*) from purchase_rows") == [(0,)]


@pytest.mark.parametrize("zeros", [1, 786_432])
def test_zeros_between_the_members_of_a_gzip_file_hide_nothing(bookstore: Bookstore, load: Load, sql: Sql, zeros: int) -> None:
    first = HEADER + "".join(f"u{number},{ENGLISH},1\n" for number in range(100))
    second = "".join(f"v{number},{ENGLISH},1\n" for number in range(50))
    content = gzip.compress(first.encode()) + bytes(zeros) + gzip.compress(second.encode()) + bytes(zeros)
    bookstore.write(HOUR, "purchases.csv.gz", content)
    bookstore.close(HOUR)
    assert load(HOUR).rows_loaded == 150
    assert sql("select count(distinct user_id) from purchases") == [(150,)]


def test_an_overlong_line_does_not_hide_what_is_no_text_behind_it(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    long = f"u{'x' * 3_000_000},{ENGLISH},1\n".encode()
    bookstore.fill(HOUR, (HEADER + SALE).encode() + long + f"u\xff,{ENGLISH},1\n".encode("latin-1") + b"u1,1,12.50\n")
    assert load(HOUR, reject_limit="2").rows_loaded == 2
    assert sql("select line_number from rejects order by 1") == [(3,), (4,)]


@pytest.mark.parametrize("bad", ["", f"u2,{ENGLISH},n/a,x\n"])
def test_line_ends_in_a_further_column_are_kept_as_written(bookstore: Bookstore, load: Load, sql: Sql, bad: str) -> None:
    bookstore.fill(HOUR, (NOTED + f'u1,{ENGLISH},12.50,"one\r\ntwo\nthree\r\n"\n' + bad).encode())
    assert load(HOUR, reject_limit="1").rows_loaded == 1
    assert sql("select extra->>'note' from purchases") == [("one\r\ntwo\nthree\r\n",)]


def test_an_empty_file_beside_files_with_rows_is_told(
    bookstore: Bookstore, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    bookstore.fill(HOUR, GOOD, b"", b"\n \n")
    bookstore.fill(HOUR + 1, b"")
    with caplog.at_level(logging.WARNING, "bookreport"):
        assert load(HOUR).rows_loaded == 1
        assert load(HOUR + 1).rows_loaded == 0
    assert [record.getMessage() for record in caplog.records] == [
        f"{HOUR} purchases-2.csv: the file is empty (0 bytes), unlike others of its hour",
        f"{HOUR} purchases-3.csv: the file is empty (3 bytes), unlike others of its hour",
    ]


def test_an_hour_most_of_whose_isbns_are_none_is_told(
    bookstore: Bookstore, load: Load, caplog: pytest.LogCaptureFixture
) -> None:
    swapped = f"isbn10,user_id,price\nana,{ENGLISH},1\nbob,{ENGLISH},1\n".encode()
    bookstore.fill(HOUR, swapped, GOOD)
    bookstore.fill(HOUR + 1, swapped, GOOD, csv_file([Purchase("eva", "978-0-306-40615-7"), Purchase("eva", "9791034300372")]))
    with caplog.at_level(logging.WARNING, "bookreport"):
        assert load(HOUR).rows_loaded == 3
        assert load(HOUR + 1).rows_loaded == 5
    (told,) = [record.getMessage() for record in caplog.records if "ISBN" in record.getMessage()]
    assert told.startswith(f"{HOUR}: 2 of 3 rows have no valid ISBN")


def test_whatever_an_hour_meets_is_its_own_failure(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, GOOD)
    bookstore.fill(HOUR + 1, GOOD)
    run = make_run()
    read = Bucket.files

    def broken_for_one(bucket: Bucket, hour: Hour) -> tuple[File, ...]:
        if hour == HOUR:
            raise ZeroDivisionError("a bug")
        return read(bucket, hour)

    monkeypatch.setattr(Bucket, "files", broken_for_one)
    outcomes = list(run.load_hours([HOUR, HOUR + 1]))
    assert [outcome.outcome for outcome in outcomes] == ["failed", "loaded"]
    assert sql("select status, last_error from ledger order by hour") == [
        ("failed", "unexpected: ZeroDivisionError: a bug"),
        ("loaded", None),
    ]


def test_a_refused_hour_leaves_nothing_in_memory(bookstore: Bookstore, load: Load) -> None:
    bookstore.fill(HOUR, (HEADER + f"u1,{ENGLISH},n/a\n" * 20_000).encode())
    error = load(HOUR).error
    assert isinstance(error, TooManyRejects)
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)
    assert error.rejects == []


def test_a_file_is_not_read_to_its_end_once_the_hour_has_too_many_rejects(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database, sql: Sql
) -> None:
    bookstore.fill(HOUR, GOOD, gzip.compress(NOTED.encode() + b'" ,,\n' * 300_000), GOOD)
    would = looked_at(database, bucket, reject_limit="1%")
    error = load(HOUR, reject_limit="1%").error
    assert isinstance(error, TooManyRejects)
    stopped = re.match(rf"reading stopped at line ([0-9,]+) of {bucket.url(HOUR, 'purchases-2.csv')}: .*", error.message)
    assert stopped is not None
    assert int(stopped[1].replace(",", "")) < 10_000
    like = r"more than the limit of 1% even if the rest is good: [0-9,]+ like purchases-2\.csv line 2: a quote is not closed"
    assert re.search(like, error.message)
    assert would.error is not None
    assert (would.outcome, would.error.message) == ("failed", error.message)
    assert sql("select count(*), min(line_number), max(line_number) from rejects") == [(1000, 2, 1001)]
    assert sql("select (select count(*) from purchase_rows), status from ledger") == [(0, "failed")]


def test_an_hour_is_not_ended_while_a_later_file_may_have_enough_good_records(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database
) -> None:
    dirty = (HEADER + SALE).encode() + b"u1,1,n/a\n" * 1500
    many = (HEADER + SALE * 200_000).encode()
    bookstore.fill(HOUR, dirty, gzip.compress(many))
    assert looked_at(database, bucket, reject_limit="1%").outcome == "would-load"
    assert load(HOUR, reject_limit="1%").rows_rejected == 1500


def test_a_field_as_long_as_a_line_may_be_is_loaded_and_so_says_a_dry_run(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database
) -> None:
    bookstore.fill(HOUR, f"{NOTED}u1,{ENGLISH},1,{'x' * 900_000}\n".encode())
    assert looked_at(database, bucket).outcome == "would-load"
    assert load(HOUR).rows_loaded == 1


def test_a_file_that_unpacks_to_more_than_purchases_can_is_refused(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database
) -> None:
    bookstore.fill(HOUR, GOOD, gzip.compress(HEADER.encode()) + gzip.compress(b"\n" * (1 << 27)) * 2)
    error = load(HOUR).error
    assert isinstance(error, BadData)
    assert re.search("/purchases-2.csv: its first [0-9,]+ bytes of gzip data unpack to [0-9,]+, [0-9]+ times", error.message)
    assert looked_at(database, bucket).outcome == "failed"
