"""The whole job, from the bucket to the report."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

import truth
from bookreport.database import Database
from bookreport.quoting import quoted
from bookstore import BOOKS, COLUMNS, ENGLISH, FRENCH, HOUR, POCKET, SPANISH, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql, connected
from running import Run
from truth import Book, Purchase, figures

SPELLINGS = (
    COLUMNS,
    {"unit_price": "Price", "quantity": "Qty", "isbn10": "ISBN-10", "user_id": "User ID"},
    {"isbn10": "isbn", "user_id": "customerId", "unit_price": "bookPrice", "quantity": "copies", "purchased_at": "createdAt"},
    {"user_id": "BUYER_ID", "purchased_at": "PURCHASE_TIME", "isbn10": "ISBN10", "unit_price": "UNIT_PRICE"},
)


def purchases_of(number: int, quantity: int = 2) -> list[Purchase]:
    codes = (ENGLISH, SPANISH, FRENCH, POCKET, UNKNOWN)
    return [
        Purchase(f"user{(number * 3 + each) % 7}", codes[(each * each + number) % 5], quantity, f"{each}.{number}5")
        for each in range(1, 12)
    ]


def test_from_an_empty_database_to_the_report(
    bookreport: Run, bookstore: Bookstore, empty_database_url: str, tmp_path: Path
) -> None:
    sold = purchases_of(1)
    bookstore.fill(HOUR, csv_file(sold))
    too_early = bookreport("ingest", DATABASE_URL=empty_database_url)
    assert (too_early.code, too_early.out) == (6, "")
    assert "bookreport migrate" in too_early.err
    no_books = bookreport("migrate", DATABASE_URL=empty_database_url)
    assert no_books.code == 6
    with connected(empty_database_url) as sql:
        write_books(sql, BOOKS)
    assert bookreport("migrate", DATABASE_URL=empty_database_url).code == 0
    again = bookreport("migrate", "--json", DATABASE_URL=empty_database_url)
    assert (again.code, again.json["books"]) == (0, '"public"."books"')
    loaded = bookreport("ingest", "--json", DATABASE_URL=empty_database_url)
    assert (loaded.code, loaded.json["loaded"], loaded.json["hours"][0]["rows_loaded"]) == (0, 1, len(sold))
    report = bookreport("report", "--json", DATABASE_URL=empty_database_url)
    assert (report.code, report.err) == (0, "")
    assert figures(report.json) == truth.report(sold, BOOKS)
    assert list(tmp_path.iterdir()) == []


def test_six_hours_of_differing_files_one_open_and_one_empty(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    hours = {HOUR + number: purchases_of(number) for number in range(4)}
    hours[HOUR + 3] = purchases_of(3, quantity=1)
    for number, (hour, sold) in enumerate(hours.items()):
        bookstore.fill(hour, csv_file(sold[:5], SPELLINGS[number]), csv_file(sold[5:], SPELLINGS[number], line_end="\r\n"))
    empty, still_open = HOUR + 4, HOUR + 5
    bookstore.fill(empty)
    bookstore.write(still_open, "purchases-1.csv", csv_file(purchases_of(5)))

    loaded = bookreport("ingest", "--json")
    assert loaded.code == 0
    assert [(hour["hour"], hour["outcome"]) for hour in loaded.json["hours"]] == [
        (hour.instant, "loaded") for hour in [*hours, empty]
    ]
    for hour, sold in hours.items():
        assert figures(bookreport("report", "--hour", str(hour), "--json").json) == truth.report(sold, BOOKS)
    whole = bookreport("report", "--since", str(HOUR), "--until", str(HOUR + 6), "--json").json
    assert figures(whole) == truth.report([purchase for sold in hours.values() for purchase in sold], BOOKS)
    assert whole["coverage"]["missing"] == [still_open.instant]

    before = sql("select count(*) from purchases"), sql("select count(*) from loads")
    nothing = bookreport("ingest", "--json")
    assert (nothing.code, nothing.json["hours"]) == (0, [])
    assert (sql("select count(*) from purchases"), sql("select count(*) from loads")) == before

    not_yet = bookreport("run-hour", "--hour", str(still_open), "--json")
    assert (not_yet.code, not_yet.error["code"], not_yet.error["hour"]) == (3, 3, still_open.instant)
    assert not_yet.json["hours"][0]["outcome"] == "not-ready"
    bookstore.close(still_open)
    at_last = bookreport("run-hour", "--json")
    assert at_last.code == 0
    assert [hour["hour"] for hour in at_last.json["hours"]] == [still_open.instant]
    assert figures(at_last.json["reports"][0]) == truth.report(purchases_of(5), BOOKS)


def test_a_run_builds_the_day_that_closed_and_refresh_those_of_an_upgrade(
    bookreport: Run, bookstore: Bookstore, sql: Sql
) -> None:
    for hour in (HOUR, HOUR + 24):
        bookstore.fill(hour, csv_file(purchases_of(1)))
    assert bookreport("ingest").code == 0
    assert sql("select count(*) from built_days") == [(1,)]
    sql("truncate group_sums, unmatched_sums, user_numbers, built_days, day_users")
    since, until = str(HOUR), str(HOUR + 24)
    assert bookreport("refresh", "--json").json["days_built"] == 0
    assert bookreport("refresh", "--since", until, "--json").json["days_built"] == 0
    built = bookreport("refresh", "--since", str(HOUR.month), "--until", until)
    assert (built.code, built.err.count("1 day built")) == (0, 1)
    report = bookreport("report", "--since", since, "--until", until, "--json", "-v")
    assert figures(report.json) == truth.report(purchases_of(1), BOOKS)
    assert "1 days as built, 0 hours from their rows" in report.err


def test_an_hour_whose_files_changed_is_replaced_by_name(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    first, corrected, other = purchases_of(1), purchases_of(1, quantity=5), purchases_of(2)
    bookstore.fill(HOUR, csv_file(first))
    bookstore.fill(HOUR + 1, csv_file(other))
    bookreport("ingest")
    bookstore.fill(HOUR, csv_file(corrected))
    assert bookreport("ingest", "--hour", str(HOUR), "--json").json["unchanged"] == 1
    again = bookreport("run-hour", "--hour", str(HOUR), "--json")
    assert (again.code, again.json["reloaded"], again.json["hours"][0]["attempt"]) == (0, 1, 2)
    assert figures(again.json["reports"][0]) == truth.report(corrected, BOOKS)
    day = bookreport("report", "--last", "24h", "--json").json
    assert figures(day) == truth.report([*corrected, *other], BOOKS)
    assert sql("select outcome, books_sold_before, books_sold from loads where hour = %s order by load_id", HOUR.start) == [
        ("loaded", None, sum(purchase.books for purchase in first)),
        ("reloaded", sum(purchase.books for purchase in first), sum(purchase.books for purchase in corrected)),
    ]


def test_everything_works_after_the_books_were_written_anew(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    sold = purchases_of(1)
    bookstore.fill(HOUR, csv_file(sold))
    bookstore.fill(HOUR + 1, csv_file(sold))
    bookreport("ingest", "--hour", str(HOUR))
    books = [Book(code, "eBook", "Spanish") for code in (ENGLISH, UNKNOWN)]
    write_books(sql, books)
    assert bookreport("ingest").code == 0
    assert figures(bookreport("report", "--last", "2h", "--json").json) == truth.report([*sold, *sold], books)
    assert bookreport("migrate").code == 0


def test_a_second_environment_does_not_touch_the_first(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(purchases_of(1)))
    bookreport("ingest")
    before = sql("select r::text from purchase_rows r order by 1"), sql("select r::text from ledger r")
    assert bookreport("report", BOOKREPORT_SCHEMA="staging").code == 6
    assert bookreport("migrate", BOOKREPORT_SCHEMA="staging").code == 0
    assert bookreport("report", BOOKREPORT_SCHEMA="staging").code == 3
    bookstore.fill(HOUR, csv_file(purchases_of(2)))
    assert bookreport("ingest", BOOKREPORT_SCHEMA="staging").code == 0
    staging = bookreport("report", "--json", BOOKREPORT_SCHEMA="staging").json
    assert figures(staging) == truth.report(purchases_of(2), BOOKS)
    assert figures(bookreport("report", "--json").json) == truth.report(purchases_of(1), BOOKS)
    assert (sql("select r::text from purchase_rows r order by 1"), sql("select r::text from ledger r")) == before


def test_another_bucket_by_mistake_changes_nothing(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(purchases_of(1)))
    bookreport("ingest")
    bookstore.put(f"other/{(HOUR + 1).partition}FULL")
    before = sql("select l::text from ledger l"), sql("select count(*) from loads")
    for mistake in ({"S3_BUCKET": "absent"}, {"S3_PREFIX": "other"}):
        stopped = bookreport("ingest", "--json", **mistake)
        assert (stopped.code, stopped.out, stopped.error["kind"]) == (6, "", "config")
        assert next(iter(mistake.values())) in stopped.error["message"]
    assert (sql("select l::text from ledger l"), sql("select count(*) from loads")) == before
    assert bookreport("ingest", "--new-source", S3_PREFIX="other").code == 0
    assert sql("select prefix from source") == [("other/",)]


def test_a_dry_run_tells_how_headers_are_read_and_writes_nothing(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    sold = [*purchases_of(1)[:3], Purchase("eva", UNKNOWN)]
    bookstore.fill(HOUR, csv_file(sold, SPELLINGS[1]), csv_file(sold, SPELLINGS[1]))
    bookstore.fill(HOUR + 1, b"Shop," + csv_file([]) + f"x,ana,{ENGLISH},1,2.50\n".encode())
    made = bookreport("ingest", "--dry-run", "--json")
    assert made.code == 0
    assert [hour["outcome"] for hour in made.json["hours"]] == ["would-load", "would-load"]
    first, second = made.json["readings"]
    known = [purchase for purchase in sold if purchase.isbn10 in {book.isbn10 for book in BOOKS}]
    assert (first["files"], first["header"]) == (2, "Price,Qty,ISBN-10,User ID")
    assert first["columns"] == SPELLINGS[1]
    assert first["rows"] == [[p.unit_price, str(p.quantity), p.isbn10, p.user_id] for p in sold[:3]]
    assert first["isbns_matched_percent"] == 100 * len(known) / len(sold)
    assert second["extra"] == ["Shop"]
    assert sql("select count(*) from ledger union all select count(*) from loads") == [(0,), (0,)]
    text = bookreport("ingest", "--dry-run")
    assert (text.code, "Price,Qty,ISBN-10,User ID" in text.out) == (0, True)
    head = bookreport("ingest", "--dry-run", "--head", "--json").json
    assert (made.json["head"], head["head"], head["readings"]) == (False, True, made.json["readings"])
    told = "Only the head of each file was read; what follows may still be refused."
    assert (told in text.out, told in bookreport("ingest", "--dry-run", "--head").out) == (False, True)
    assert bookreport("ingest", "--head").code == 2


def test_sample_data_is_loaded_and_never_written_over_anything(bookreport: Run, empty_database_url: str) -> None:
    sample = ("sample", "--since", "2024-05-01T19", "--hours", "3", "--rows", "50", "--titles", "50")
    here = {"DATABASE_URL": empty_database_url, "S3_PREFIX": "samples"}
    # What can't be written leaves nothing behind that would be in the way of what can.
    for arguments, settings, code, told in (
        (["--hours", "100000000"], {}, 2, "100,000,000 hours are beyond the calendar"),
        ([], {"S3_BUCKET": "No_Such"}, 6, "InvalidBucketName"),
        ([], {"S3_BUCKET": "../x"}, 6, "Invalid bucket name"),
    ):
        ended = bookreport(*sample, *arguments, **here | settings)
        assert (ended.code, told in ended.err) == (code, True), ended.err
    assert bookreport(*sample, **here).code == 0
    assert bookreport("migrate", **here).code == 0
    made = bookreport("run-hour", "--json", **here).json
    assert [(hour["outcome"], hour["rows_loaded"]) for hour in made["hours"]] == [("loaded", 90), ("loaded", 110)]
    refused = bookreport(*sample, **here)
    assert (refused.code, "already has data" in refused.err) == (6, True)


@pytest.mark.parametrize("arguments", [["--language", "French"], ["--language", "french", "--language", "Spanish"]])
def test_the_share_of_buyers_is_told_for_any_language(bookreport: Run, bookstore: Bookstore, arguments: list[str]) -> None:
    sold = purchases_of(1)
    bookstore.fill(HOUR, csv_file(sold))
    bookreport("ingest")
    made = bookreport("report", "--json", *arguments).json
    expected = [truth.report(sold, BOOKS, name)["buyers"] for name in arguments[1::2]]
    assert made["buyers_by_language"] == expected
    assert bookreport("report", "--language", "Latin").err.startswith("Warning: the catalogue has no book in Latin")


def test_a_reader_is_told_that_the_books_have_changed_until_somebody_refreshes(
    bookreport: Run, bookstore: Bookstore, sql: Sql, as_role: Callable[..., Database], environment: dict[str, str]
) -> None:
    as_role("grant select on all tables in schema bookreport, public to visitor")
    as_reader = {"DATABASE_URL": environment["DATABASE_URL"].replace("//postgres:", "//visitor:")}
    sold = purchases_of(1)
    bookstore.fill(HOUR, csv_file(sold))
    assert bookreport("ingest").code == 0
    before = bookreport("report", "--json", **as_reader)
    assert (before.code, before.err, before.json["catalogue_is_current"]) == (0, "", True)
    sql("update public.books set \"Language\" = 'Latin' where \"Language\" <> 'Spanish'")
    outdated = bookreport("report", "--json", **as_reader)
    assert outdated.code == 0
    assert outdated.err.startswith("Warning: the books have changed since 2")
    assert "bookreport refresh" in outdated.err
    assert outdated.json["sales"] == before.json["sales"]
    assert outdated.json["catalogue_as_of"] == before.json["catalogue_as_of"]
    assert bookreport("refresh", **as_reader).code == 6
    assert "the next run will" in bookreport("check").out
    refreshed = bookreport("refresh", "--json").json
    assert (refreshed["schema"], refreshed["changed"]) == ("bookreport.refresh/1", 3)
    assert bookreport("refresh", "--json").json == refreshed | {"changed": 0}
    after = bookreport("report", "--json", **as_reader)
    assert (after.code, after.err) == (0, "")
    assert after.json["catalogue_as_of"] == refreshed["catalogue_as_of"]
    assert {sale["language"] for sale in after.json["sales"]} == {"Latin", "Spanish"}


def test_the_sql_that_roles_prints_is_run_by_a_superuser_and_the_job_by_the_roles(
    bookreport: Run, bookstore: Bookstore, sql: Sql, admin: Sql, environment: dict[str, str], request: pytest.FixtureRequest
) -> None:
    names = {"owner": 'the "owner"', "loader": "l'oader", "reader": "Reader"}
    for name in names.values():
        admin(f"create role {quoted(name)} login")
        request.addfinalizer(partial(admin, f"drop role {quoted(name)}"))
        request.addfinalizer(partial(sql, f"drop owned by {quoted(name)} cascade"))
    request.addfinalizer(lambda: admin("drop role books_alone"))
    request.addfinalizer(lambda: sql("drop owned by books_alone cascade"))
    as_role = {
        duty: {"DATABASE_URL": environment["DATABASE_URL"].replace("//postgres:", f"//{quote(name, safe='')}:")}
        for duty, name in names.items()
    }
    arguments = [word for duty, name in names.items() for word in (f"--{duty}", name)]
    printed = bookreport("roles", *arguments, "--books-role", "books_alone", DATABASE_URL="")
    assert (printed.code, printed.err) == (0, "")
    sql(printed.out)
    assert bookreport("migrate", **as_role["owner"]).code == 0
    sold = purchases_of(1)
    bookstore.fill(HOUR, csv_file(sold))
    loaded = bookreport("run-hour", "--json", **as_role["loader"])
    assert loaded.code == 0
    assert truth.figures(loaded.json["reports"][0]) == truth.report(sold, BOOKS)
    reported = bookreport("report", "--json", **as_role["reader"])
    assert truth.figures(reported.json) == truth.report(sold, BOOKS)
    assert bookreport("rejects", **as_role["reader"]).code == 6
    assert bookreport("ingest", **as_role["reader"]).code == 6
