"""A dry run tells of each file what the load does with it, unless it was asked to read only the head."""

import gzip
import re
from collections.abc import Iterator

from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.hours import Hour
from bookreport.outcomes import Outcome
from bookreport.preview import SAMPLED, Preview, preview
from bookreport.rejects import RejectLimit
from bookstore import ENGLISH, HOUR, Bookstore
from connection import Sql
from loading import Load

HEADER = b"user_id,isbn10,quantity,unit_price,note\n"
SALES = b"".join(b"u%d,%s,1,9.99,x\n" % (number, ENGLISH.encode()) for number in range(300))
FILE = HEADER + SALES
PACKED = gzip.compress(FILE, mtime=0)
MEMBER = gzip.compress(SALES, mtime=0)


def record(note: bytes, user: bytes = b"zoe") -> bytes:
    return b"%s,%s,1,9.99,%s\n" % (user, ENGLISH.encode(), note)


def files() -> Iterator[tuple[str, bytes]]:
    """Give names and contents of files that are odd or damaged; more of them are in tests/torture.py."""
    for lost in range(1, 21):
        yield f"cut {lost}.csv.gz", PACKED[:-lost]
    for kept in (1, 2, 9, 10, 11, 30):
        yield f"of {kept} bytes.csv.gz", PACKED[:kept]
    yield "cut behind a bad record.csv.gz", gzip.compress(HEADER + b"u1,,1,9.99,\n" + SALES)[:-1]
    yield "cut after many bad records.csv.gz", gzip.compress(HEADER + b"u1,,1,9.99,\n" * 900 + SALES)[:-1]
    yield "cut, of two members.csv.gz", PACKED + MEMBER[:-1]
    yield "of two members.csv.gz", PACKED + MEMBER
    yield "of a member of 0 bytes.csv.gz", gzip.compress(b"")
    yield "of members of 0 bytes around one.csv.gz", gzip.compress(b"") + PACKED + gzip.compress(b"")
    yield "garbage behind.csv.gz", PACKED + b"garbage"
    yield "gzip without its suffix.csv", PACKED
    yield "cut gzip without its suffix.csv", PACKED[:-9]
    yield "CR only.csv", FILE.replace(b"\n", b"\r")
    yield "CR only behind the header.csv", HEADER + SALES.replace(b"\n", b"\r")
    for name, note in {"bare": b"a\rb", "quoted": b'"a\rb"', "quoted at the end": b'"a\r"', "last": b"a\r\r"}.items():
        yield f"CR, {name}.csv", FILE + record(note)
    for size in (140_000, 1_000_000, 1_100_000, 10_000_000):
        yield f"a field of {size}.csv.gz", gzip.compress(FILE + record(b"x" * size), 1)
        yield f"a quoted field of {size}.csv.gz", gzip.compress(FILE + record(b'"' + b'x""' * (size // 3) + b'"'), 1)
        yield (
            f"a field of two lines of {size}.csv.gz",
            gzip.compress(FILE + record(b'"%s\n%s"' % ((b"x" * (size // 2),) * 2)), 1),
        )
        yield f"a user of {size}.csv.gz", gzip.compress(FILE + record(b"", b"x" * size), 1)
    yield "a text that goes on for 1.5 MB.csv.gz", gzip.compress(FILE + record(b'"x\n' + b"y" * 1_500_000 + b'"') + SALES, 1)
    yield "NULs behind.csv", FILE + b"\0" * 1000
    yield "lines of a NUL.csv", FILE + b"\0\n" * 3
    yield "nothing.csv", b""
    yield "blank lines.csv", b"\n\n  \n"


def looked_at(
    database: Database,
    bucket: Bucket,
    *hours: Hour,
    head: bool = False,
    again: tuple[Hour, ...] = (),
    reject_limit: str = "1%",
) -> Preview:
    return preview(database, bucket, Columns(), hours, reject_limit=RejectLimit.parse(reject_limit), again=again, head=head)


def gist(outcome: Outcome) -> tuple[object, ...]:
    """Return what a dry run must foresee."""
    ending = outcome.outcome.replace("would-load", "loaded")
    # A dry run keeps no rejects that could be looked at.
    hint = re.sub("; to see the records: [^;]*", "", (outcome.error and outcome.error.hint) or "")
    error = outcome.error and (outcome.error.exit_code, outcome.error.message, hint)
    return (ending, outcome.files, outcome.bytes, outcome.rows_loaded, outcome.rows_rejected, error)


def test_a_dry_run_foresees_what_the_load_does(bookstore: Bookstore, bucket: Bucket, load: Load, database: Database) -> None:
    hours = {HOUR + number: file for number, file in enumerate(files())}
    for hour, (name, content) in hours.items():
        bookstore.write(hour, name, content)
        bookstore.close(hour)
    told = looked_at(database, bucket, *hours).outcomes
    did = [load(hour, reject_limit="1%") for hour in hours]
    assert [gist(outcome) for outcome in told] == [gist(outcome) for outcome in did]
    by_name = {name: outcome for (name, _), outcome in zip(hours.values(), did, strict=True)}
    for name, outcome in by_name.items():
        assert outcome.outcome in ("loaded", "failed")
        if "cut" in name:
            assert outcome.error is not None
            assert outcome.error.message.endswith(f"/{name}: its gzip data is truncated")
    assert by_name["of two members.csv.gz"].rows_loaded == 600
    assert by_name["a field of 140000.csv.gz"].rows_loaded == 301
    assert by_name["CR, bare.csv"].rows_rejected == 1


def test_a_dry_run_foresees_that_all_files_of_a_loaded_hour_are_gone(
    bookstore: Bookstore, bucket: Bucket, load: Load, database: Database
) -> None:
    bookstore.fill(HOUR, FILE)
    assert load(HOUR).outcome == "loaded"
    bookstore.remove(HOUR, "purchases-1.csv")
    (told,) = looked_at(database, bucket, HOUR, again=(HOUR,)).outcomes
    did = load(HOUR, again=True)
    assert gist(told) == gist(did)
    assert did.error is not None
    assert did.error.message.startswith(f"all 1 files of {HOUR} are gone")


def test_the_head_of_a_file_is_read_and_no_more(bookstore: Bookstore, bucket: Bucket, database: Database, sql: Sql) -> None:
    many = FILE + SALES * 3000
    bookstore.fill(HOUR, gzip.compress(many)[:-1])
    bookstore.fill(HOUR + 1, HEADER + b"u1,,1,9.99,x\n" * 500_000)
    bookstore.fill(HOUR + 2, HEADER + b"u1,,1,9.99,x\n" * 300)
    bookstore.fill(HOUR + 3, b"who,what\n" + SALES)
    hours = [HOUR + number for number in range(4)]
    cut, few, unknown = looked_at(database, bucket, HOUR, *hours[2:], head=True).outcomes
    (bad,) = looked_at(database, bucket, HOUR + 1, head=True, reject_limit="100%").outcomes
    assert (cut.outcome, cut.rows_rejected) == ("would-load", 0)
    assert SAMPLED <= cut.rows_loaded < many.count(b"\n") / 2
    assert (bad.outcome, bad.rows_loaded) == ("would-load", 0)
    assert SAMPLED <= bad.rows_rejected < 250_000
    assert [outcome.outcome for outcome in (few, unknown)] == ["failed", "failed"]
    whole = looked_at(database, bucket, *hours).outcomes
    assert [outcome.outcome for outcome in whole] == ["failed"] * 4
    assert [gist(few), gist(unknown)] == [gist(outcome) for outcome in whole[2:]]
    assert sql("select count(*) from ledger") == [(0,)]
