"""What `check` finds: the state of each prerequisite, and what to do about it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bookreport import ledger, schema
from bookreport.bucket import Bucket
from bookreport.check import Check, check
from bookreport.database import Database
from bookreport.errors import Configuration, NotReady, Temporary
from bookreport.hours import Hour, Span
from bookstore import BOOKS, ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql
from loading import Load, OpenBucket
from truth import Book, Purchase

FILE = csv_file([Purchase("u1", ENGLISH)])
NAMES = [
    "bucket",
    "postgres",
    "clock",
    "schema",
    "source",
    "rights",
    "replication",
    "locks",
    "books",
    "quality",
    "failed",
    "overdue",
    "missing",
    "time",
    "stray",
    "skipped",
    "unusual",
    "freshness",
]

LOOKED_THROUGH = "update source set looked_through_at = now()"

Look = Callable[..., dict[str, Check]]


@pytest.fixture
def look(database: Database, bucket: Bucket) -> Look:
    def run(
        of: Database = database,
        at: Bucket = bucket,
        max_age: timedelta | None = None,
        language: str = "Spanish",
        **options: Any,
    ) -> dict[str, Check]:
        return {found.name: found for found in check(of, at, language, max_age, **options)}

    return run


def test_all_is_well(look: Look, bookstore: Bookstore, load: Load) -> None:
    hour = Hour.last()
    bookstore.fill(hour, FILE)
    load(hour)
    found = look(max_age=timedelta(hours=2))
    assert list(found) == NAMES
    assert [(each.message, each.hint) for each in found.values() if not each.ok] == []
    assert "English, French, Spanish" in found["books"].message


def test_what_cannot_be_looked_at_is_left_out(look: Look, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = look(Database(empty_database_url))
    assert list(found) == NAMES[:4]
    assert found["schema"].hint == "run: bookreport migrate"
    monkeypatch.setattr("bookreport.database.FIRST_PATIENCE", 0.0)
    found = look(Database("postgresql://postgres@127.0.0.1:1/none"))
    assert list(found) == NAMES[:3]
    assert isinstance(found["postgres"].error, Temporary)


def test_a_bucket_that_is_not_there_hides_nothing_else(look: Look, open_bucket: OpenBucket) -> None:
    found = look(at=open_bucket("absent"))
    assert list(found) == [name for name in NAMES if name not in ("overdue", "missing", "time", "stray", "skipped")]
    assert [name for name, each in found.items() if not each.ok] == ["bucket"]
    assert "absent" in found["bucket"].message


def test_a_client_that_can_not_be_made_hides_nothing_else(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    found = look(at=Bucket("bookstore", keys="AWS's own credential chain (AWS_PROFILE from the environment)"))
    assert [name for name, each in found.items() if not each.ok] == ["bucket"]
    assert found["bucket"].message == "S3: The config profile (nobody) could not be found"
    assert str(found["bucket"].hint).endswith("AWS's own credential chain (AWS_PROFILE from the environment)")
    assert list(found)[-1] == "freshness"


LAST = Hour.last()
"""The hours over for less than six hours are those from LAST + -5 on, or -6 once the hour changes."""


def test_holes_fail_once_they_are_old_and_what_is_said_fills_or_ends_them(
    look: Look, bookstore: Bookstore, load: Load, database: Database, sql: Sql
) -> None:
    for number in (-40, -8, 0):
        bookstore.fill(LAST + number, FILE)
        load(LAST + number)
    for number in (-30, -29, -2):
        bookstore.write(LAST + number, "purchases-1.csv", FILE)
    for statement in ("select", LOOKED_THROUGH):
        sql(statement)
        found = look(max_gap=timedelta(hours=5, minutes=30))
        assert [name for name, each in found.items() if not each.ok] == ["overdue", "missing"]
        assert all(isinstance(found[name].error, NotReady) for name in ("overdue", "missing"))
    bucket, since = f"s3://{bookstore.bucket}/", LAST + -30
    assert (
        found["overdue"].message
        == f"2 hours with files, but no marker, though over for more than 5.5 h: {since} to {since + 2}"
    )
    assert f"must write the empty object {bucket}{(since + 1).partition}FULL; " in str(found["overdue"].hint)
    assert f"{LAST + -39} to {since}, {since + 2} to {LAST + -8}, {LAST + -7}" in found["missing"].message
    assert not {str(LAST + -1), str(LAST + -2)} & set(found["missing"].message.split())
    while names := [name for name in ("overdue", "missing") if not found[name].ok]:
        command = str(found[names[0]].hint).rpartition(": bookreport skip ")[2].split()
        options = dict(zip(command[::2], command[1::2], strict=True))
        hour = Hour.parse(options.get("--hour") or options["--since"])
        ledger.skip(database, Span(hour, Hour.parse(options["--until"]) if "--until" in options else hour + 1), "lost")
        found = look(max_gap=timedelta(hours=5, minutes=30))
    assert found["overdue"].message == f"1 hour without a marker yet: {LAST + -2}"
    assert "missing so far: " in found["missing"].message
    assert look(max_gap=timedelta(hours=1))["overdue"].hint is not None
    assert look(max_gap=timedelta(days=99_999))["missing"].ok


def test_a_hole_from_before_the_look_back_goes_on_failing_and_may_have_been_filled(
    look: Look, bookstore: Bookstore, load: Load, sql: Sql
) -> None:
    for number in (0, 2, 30):
        bookstore.fill(HOUR + number, FILE)
        load(HOUR + number)
    bookstore.fill(HOUR + 1, FILE)
    sql("insert into ledger (hour, status) select h, 'loaded' from generate_series(%s::timestamptz, %s, '1 hour') h",
        (HOUR + 3).start, (HOUR + 29).start)  # fmt: skip
    assert look()["missing"].ok
    sql(LOOKED_THROUGH)
    assert look()["missing"].ok
    found = look(lookback=timedelta(hours=20))["missing"]
    assert f"(searched from {HOUR + 10} on), though over for more than 6 h: {HOUR + 1}" in found.message
    assert "to load what has come before: bookreport ingest --all" in str(found.hint)


def test_failed_hours_fail_however_old_they_are(look: Look, bookstore: Bookstore, load: Load, sql: Sql) -> None:
    for hour, content in ((HOUR, b"who,what\n"), (HOUR + 24 * 30, b"why\n"), (LAST, FILE)):
        bookstore.fill(hour, content)
        load(hour)
    sql(LOOKED_THROUGH)
    found = look()["failed"]
    assert isinstance(found.error, NotReady)
    newest = HOUR + 24 * 30
    url = f"s3://{bookstore.bucket}/{newest.partition}purchases-1.csv"
    assert found.message.startswith(f"2 hours failed: {HOUR}, {newest}; the newest: {url}: line 1: no column")
    assert str(found.hint).endswith(f"bookreport skip --hour {newest} --reason TEXT")
    sql("update ledger set last_error = repeat('x', 1000) where status = 'failed'")
    assert look()["failed"].message.endswith(": " + "x" * 300 + " …")


def test_before_the_first_load_nothing_is_late(look: Look, bookstore: Bookstore, sql: Sql) -> None:
    for number in (-40, -20):
        bookstore.write(LAST + number, "purchases-1.csv", FILE)
    assert [name for name, each in look().items() if not each.ok] == []
    sql("insert into ledger (hour, status) values (%s, 'skipped')", (LAST + -30).start)
    assert [name for name, each in look().items() if not each.ok] == []


@pytest.mark.parametrize(("ahead", "told"), [(timedelta(minutes=5), "ahead of"), (timedelta(minutes=-5), "behind")])
def test_a_clock_that_is_wrong_is_told(look: Look, monkeypatch: pytest.MonkeyPatch, ahead: timedelta, told: str) -> None:
    monkeypatch.setattr(Bucket, "clock", lambda _: datetime.now(UTC) + ahead)
    found = look()["clock"]
    assert not found.ok
    assert told in found.message


@pytest.mark.parametrize("ahead", [timedelta(seconds=20), timedelta(seconds=-20)])
def test_clocks_need_not_agree_to_the_second(look: Look, monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    monkeypatch.setattr(Bucket, "clock", lambda _: datetime.now(UTC) + ahead)
    assert look()["clock"].ok


def test_the_newest_hour_is_too_old_only_where_an_age_is_given(look: Look, bookstore: Bookstore, load: Load) -> None:
    assert look()["freshness"].ok
    assert isinstance(look(max_age=timedelta(hours=2))["freshness"].error, NotReady)
    hour = Hour.last() + -3
    bookstore.fill(hour, FILE)
    load(hour)
    assert look()["freshness"].ok
    assert look(max_age=timedelta(hours=5))["freshness"].ok
    late = look(max_age=timedelta(hours=2))["freshness"]
    assert isinstance(late.error, NotReady)
    marker = f"s3://{bookstore.bucket}/{(hour + 1).partition}FULL"
    assert late.hint == f"whoever writes {hour + 1} must write {marker}; the next run then loads it"
    bookstore.fill(hour + 1, FILE)
    assert "see why no run loads it" in str(look(max_age=timedelta(hours=2))["freshness"].hint)


def test_what_lies_beside_the_hours_is_told_and_fails_unless_it_is_named_as_no_data(
    look: Look, bookstore: Bookstore, load: Load, open_bucket: OpenBucket, sql: Sql
) -> None:
    for number in range(24):
        bookstore.fill(HOUR + (number - HOUR.start.hour), FILE)
        load(HOUR + (number - HOUR.start.hour))
    sql(LOOKED_THROUGH)
    assert look()["stray"].ok
    bookstore.put("year=2024/month=05/day=01/late.csv", FILE)
    bookstore.put("year=2024/Month=04/day=30/hour=00/FULL")
    found = look()["stray"]
    assert not found.ok
    told = f"not loaded, since in no hour's partition: s3://{bookstore.bucket}/year=2024/Month=04/"
    assert found.message == f"{told} and 1 more (see: bookreport status)"
    assert "BOOKREPORT_IGNORE" in (found.hint or "")
    assert look(at=open_bucket(ignore=("late.*", "Month=04")))["stray"].ok


def test_a_marker_with_content_is_told_and_no_failure(look: Look, bookstore: Bookstore, load: Load) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.write(HOUR, "FULL", b"1")
    load(HOUR)
    found = look()["stray"]
    assert found.ok
    assert found.message == f"s3://{bookstore.bucket}/{HOUR.partition}FULL is not empty"


def test_another_bucket_than_the_ledgers_is_told(look: Look, bookstore: Bookstore, load: Load, open_bucket: OpenBucket) -> None:
    bookstore.fill(HOUR, FILE)
    load(HOUR)
    found = look(at=open_bucket(prefix="moved/"))["source"]
    assert not found.ok
    assert "--new-source" in (found.hint or "")


def test_duplicate_isbns_and_spellings_are_told_and_are_no_failure(look: Look, sql: Sql) -> None:
    write_books(sql, [Book(ENGLISH, "Hardcover", "Spanish"), Book(f"978{ENGLISH[:9]}0", "hardcover", "Spanish")])
    found = look()
    assert found["books"].ok
    assert found["books"].message.startswith("1 ISBNs in public.books; languages: Spanish")
    assert found["quality"].ok
    assert found["quality"].message == (
        f"1 ISBN has several rows (such as {ENGLISH}); the first by format and language counts;"
        " 1 format is spelled in several ways (such as 'Hardcover' and 'hardcover'), and reported separately"
    )
    write_books(sql, [Book(ENGLISH, name, tongue) for name in ("eBook", "e book", "Print") for tongue in ("Welsh", "WELSH")])
    assert look(language="welsh")["books"].ok
    told = look(language="We lsh")
    assert not told["books"].ok
    assert "1 format is spelled in several ways (such as 'e book' and 'eBook')" in told["quality"].message
    assert "1 language is spelled in several ways (such as 'WELSH' and 'Welsh')" in told["quality"].message


def test_books_without_an_isbn_are_told(look: Look, sql: Sql) -> None:
    codes = ("N/A", None, "-", "  ", "0" * 10, "979-8-12-345678-9")
    write_books(sql, [Book(SPANISH, "Hardcover", "Spanish"), *(Book(code, "Gift", "Spanish") for code in codes)])
    found = look()
    assert found["books"].message.startswith("1 ISBNs in public.books; ")
    assert found["quality"].message == (
        "2 books have no ISBN; 4 books have an impossible ISBN (such as '-'), which no sale can match"
    )


def test_how_many_of_a_days_sales_match_is_told(look: Look, bookstore: Bookstore, load: Load) -> None:
    sales = [Purchase("u1", ENGLISH, 5), Purchase("u2", SPANISH, 3), Purchase("u3", UNKNOWN, 7), Purchase("u4", "N/A", 9)]
    for number, of_hour in ((-24, [Purchase("u5", UNKNOWN, 1000)]), (-23, sales[:3]), (0, sales)):
        bookstore.fill(HOUR + number, csv_file(of_hour))
        load(HOUR + number)
    books = [purchase.books for purchase in (*sales[:3], *sales)]
    matched = sum(purchase.books for purchase in sales[:2]) * 2
    assert look()["quality"].message == (
        f"{matched} of {sum(books)} books sold in the 24 hours up to {HOUR} match ({1000 * matched // sum(books) / 10}%),"
        f" 2 of 3 ISBNs (not, for one, {UNKNOWN!r})"
    )


def test_a_catalogue_without_a_book_in_the_language_of_the_reports_fails(look: Look, sql: Sql) -> None:
    write_books(sql, [Book(ENGLISH, "Hardcover", "es")])
    found = look()["books"]
    assert not found.ok
    assert found.message.startswith("no book is in Spanish: 1 ISBNs in public.books; languages: es")
    assert "BOOKREPORT_LANGUAGE" in (found.hint or "")
    assert look(language="es")["books"].ok


def test_rights_that_are_lacking_are_told_by_name(look: Look, as_role: Callable[..., Database]) -> None:
    found = look(as_role("grant select on all tables in schema bookreport, public to visitor"))
    assert [name for name, each in found.items() if not each.ok] == ["rights"]
    assert "delete, insert on purchase_rows" in found["rights"].message
    assert "execute on function ensure_month" in found["rights"].message


def test_a_publication_that_would_break_a_reload_is_told(look: Look, sql: Sql, bookstore: Bookstore, load: Load) -> None:
    bookstore.fill(HOUR, FILE)
    load(HOUR)
    sql("create publication everything for all tables")
    assert look()["replication"].ok
    sql("alter table hour_sums replica identity default")
    found = look()["replication"]
    assert not found.ok
    assert found.hint == "alter table bookreport.hour_sums replica identity full"


def test_a_publication_is_no_trouble_for_a_reload(sql: Sql, bookstore: Bookstore, load: Load) -> None:
    sql("create publication everything for all tables")
    bookstore.fill(HOUR, FILE)
    assert [load(HOUR, again=True).outcome, load(HOUR, again=True).outcome] == ["loaded", "reloaded"]


def refusal(database: Database) -> Configuration:
    with pytest.raises(Configuration) as caught:
        schema.require(database)
    return caught.value


def test_tables_of_another_revision_are_told_with_what_to_do(database: Database, sql: Sql) -> None:
    sql("update alembic_version set version_num = '0001'")
    assert refusal(database).hint == "run: bookreport migrate"
    sql("update alembic_version set version_num = '9999'")
    assert "upgrade bookreport" in str(refusal(database).hint)


@pytest.mark.parametrize(
    "change",
    [
        "drop table public.books",
        'alter table public.books rename column "Language" to tongue',
        "alter table public.books rename to titles",
    ],
)
def test_a_books_table_that_was_changed_is_told_and_can_be_named_anew(database: Database, sql: Sql, change: str) -> None:
    sql(change)
    refused = refusal(database)
    assert refused.message.startswith("can't read the books from public.books any more")
    assert "bookreport migrate --books public.books" in str(refused.hint)
    sql("drop table if exists public.books, public.titles")
    write_books(sql, BOOKS, "public.catalogue_of_books")
    assert schema.migrate(database, "public.catalogue_of_books")
    schema.require(database)
    assert sql("select count(*) from books") == [(len(BOOKS),)]


@pytest.mark.parametrize(
    "dropped",
    [
        "view sales",
        "view books cascade",
        "function books_rows() cascade",
        "function canonical_isbn cascade",
        "function tidied_isbn cascade",
        "function book_digest cascade",
        "function read_books cascade",
        "function summarise_month",
        "view loader_rights",
        "table locks",
        "table catalogue cascade",
        "table catalogue_state",
    ],
)
def test_views_that_were_dropped_are_told_and_migrate_brings_them_back(
    database: Database, sql: Callable[..., Any], dropped: str
) -> None:
    sql(f"drop {dropped}")
    assert refusal(database).hint == "run: bookreport migrate"
    schema.migrate(database)
    schema.require(database)
    assert sql("select count(*) from books") == [(len(BOOKS),)]
    assert sql("select count(*) from sales") == [(0,)]
    assert sql("select count(*) from catalogue") == [(len(BOOKS),)]
