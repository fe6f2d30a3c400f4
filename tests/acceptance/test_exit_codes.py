"""What scripts branch on: exit codes, and errors as JSON."""

import re
from typing import Any

import pytest

from bookreport.database import Database
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from loading import held
from running import Run
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH)])


def refused(ended: Any, code: int, kind: str) -> str:
    """Assert that a command failed without a result, with this code and kind; return its message and hint."""
    assert (ended.code, ended.out) == (code, "")
    error = ended.error
    assert (error["schema"], error["code"], error["kind"]) == ("bookreport.error/1", code, kind)
    assert error["message"]
    assert error["hint"] or kind == "usage"
    return f"{error['message']} {error['hint']}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["report", "--hour", "2024-05-01T13-02"],
        ["report", "--hour", "yesterday"],
        ["roles", "--owner", "one", "--loader", "one", "--reader", "another"],
        ["roles", "--owner", "one", "--loader", "x" * 64, "--reader", "another"],
        ["report", "--until", "2024-05-01T13"],
        ["report", "--since", "2024-05-01T13", "--until", "2024-05-01T13"],
        ["report", "--since", "2024-05-02", "--until", "2024-05-01"],
        ["report", "--hour", "2024-05-01"],
        ["report", "--hour", "2024-05-01T13", "--last", "24h"],
        ["report", "--day", "2024-05-01", "--since", "2024-05-01T13"],
        ["report", "--day", "2024-05-01", "--month", "2024-05"],
        ["report", "--year", "2024-05"],
        ["report", "--by", "year"],
        ["report", "--since", "2014-01-01", "--until", "2024-01-01", "--by", "hour"],
        ["report", "--timezone", "Europe/Madird"],
        ["report", "--day", "2022-12-08", "--timezone", "Asia/Kolkata"],
        ["report", "--last", "90m"],
        ["report", "--last", "0h"],
        ["report", "--last", "999999d"],
        ["report", "--since", "0001-01-01T00", "--until", "9999-12-31T23"],
        ["report", "--format", "pdf"],
        ["ingest", "--hour", "2024-05-01T13", "--all"],
        ["ingest", "--all", "--since", "2024-05-01T13"],
        ["ingest", "--since", "2024-05-02T13", "--until", "2024-05-01T13"],
        ["ingest", "--no-such-option"],
        ["run-hour", "2024-05-01T13"],
        ["no-such-command"],
    ],
)
def test_2_a_command_line_that_makes_no_sense(bookreport: Run, arguments: list[str]) -> None:
    refused(bookreport(*arguments, "--json", DATABASE_URL="postgresql://127.0.0.1:1/never"), 2, "usage")


def test_3_an_hour_that_is_not_complete(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    bookstore.write(HOUR, "purchases-1.csv", FILE)
    for command in (["ingest"], ["run-hour"]):
        for hour in (HOUR, HOUR + 1):
            ended = bookreport(*command, "--hour", str(hour), "--json")
            assert (ended.code, ended.error["code"], ended.error["kind"]) == (3, 3, "not-ready")
            assert (ended.error["hour"], ended.json["not_ready"]) == (hour.instant, 1)
    assert sql("select count(*) from loads union all select count(*) from ledger") == [(0,), (0,)]


def test_3_a_report_of_nothing_or_of_less_than_is_required(bookreport: Run, bookstore: Bookstore) -> None:
    refused(bookreport("report", "--json"), 3, "not-ready")
    bookstore.fill(HOUR, FILE)
    bookreport("ingest")
    refused(bookreport("report", "--hour", str(HOUR + 1), "--json"), 3, "not-ready")
    span = ("--since", str(HOUR), "--until", str(HOUR + 2))
    assert bookreport("report", *span).code == 0
    assert "1 of 2 hours" in refused(bookreport("report", *span, "--require-complete", "--json"), 3, "not-ready")


def test_4_bad_data(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    bookstore.fill(HOUR, b"who,what\nana,1\n")
    bookstore.fill(HOUR + 1, FILE)
    ended = bookreport("ingest", "--json")
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (4, "bad-data", HOUR.instant)
    assert "purchases-1.csv" in ended.error["message"]
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["failed", "loaded"]
    assert (ended.json["failed"], ended.json["loaded"]) == (1, 1)
    assert ended.json["hours"][0]["error"] == ended.error["message"]
    assert sql("select count(*) from purchases") == [(1,)]


def test_5_postgres_out_of_reach(bookreport: Run) -> None:
    told = refused(bookreport("report", "--json", DATABASE_URL="postgresql://a:secret@127.0.0.1:1/shop"), 5, "temporary")
    assert "secret" not in told
    assert "then DATABASE_URL from the environment; the next run carries on" in told


def test_5_the_store_out_of_reach(bookreport: Run) -> None:
    told = refused(bookreport("ingest", "--json", S3_ENDPOINT_URL="http://127.0.0.1:1"), 5, "temporary")
    assert "127.0.0.1:1" in told
    assert "then S3_BUCKET and S3_ENDPOINT_URL from the environment; the next run carries on" in told


def test_6_settings_that_are_missing_are_named_all_at_once(bookreport: Run) -> None:
    told = refused(bookreport("ingest", "--json", DATABASE_URL=None, S3_BUCKET=None, MINIO_ROOT_PASSWORD=None), 6, "config")
    assert all(name in told for name in ("DATABASE_URL", "S3_BUCKET", "MINIO_ROOT_PASSWORD"))
    assert "S3_BUCKET" not in refused(bookreport("report", "--json", DATABASE_URL=None, S3_BUCKET=None), 6, "config")


@pytest.mark.parametrize(
    "settings",
    [
        {"MINIO_ROOT_USER": "stranger"},
        {"MINIO_ROOT_PASSWORD": "wrong-password"},
        {"S3_BUCKET": "absent"},
        {"AWS_PROFILE": "absent", "MINIO_ROOT_USER": None, "MINIO_ROOT_PASSWORD": None},
        {"S3_ENDPOINT_URL": "no url"},
        {"DATABASE_URL": "mysql://root:secret@db/shop"},
        {"BOOKREPORT_SCHEMA": "absent"},
        {"BOOKREPORT_LOOKBACK": "soon"},
        {"BOOKREPORT_COLUMNS": "customer=who"},
        {"BOOKREPORT_HEADER": "who,what"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_6_a_setting_that_is_wrong(bookreport: Run, settings: dict[str, str | None]) -> None:
    told = refused(bookreport("ingest", "--json", **settings), 6, "config")
    name, value = next(iter(settings.items()))
    assert name in told or repr(value) in told
    assert "wrong-password" not in told
    assert "secret" not in told


def test_6_an_env_file_that_is_not_there(bookreport: Run) -> None:
    assert "absent.env" in refused(bookreport("--env-file", "absent.env", "report", "--json"), 6, "config")


def test_6_tables_that_are_behind_the_code(bookreport: Run, sql: Sql) -> None:
    sql("update alembic_version set version_num = '0001'")
    for command in (["report"], ["ingest"], ["run-hour"]):
        assert "run: bookreport migrate" in refused(bookreport(*command, "--json"), 6, "config")


def test_7_an_hour_that_another_run_holds(bookreport: Run, bookstore: Bookstore, sql: Sql, database: Database) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 1, FILE)
    # A key that anybody could work out, and take.
    sql("select pg_advisory_lock(hashtextextended('bookreport ' || %s, 0))", (HOUR + 1).instant)
    with held(database, HOUR):
        ended = bookreport("ingest", "--json")
        holders = next(each for each in bookreport("check", "--json").json["checks"] if each["name"] == "locks")
        overlapping = bookreport("-q", "run-hour", "--json", "-o", "run.json")
        sql("update ledger set loaded_at = loaded_at - interval '2 hours'")
        stuck = bookreport("-q", "run-hour", "--json", "-o", "run.json")
        bookstore.fill(HOUR + 2, b"who,what\n")
        beside_another = bookreport("-q", "ingest")
    assert "role postgres" in ended.error["message"]
    assert f"(bookreport {HOUR.instant})" in holders["message"]
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (7, "locked", HOUR.instant)
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["locked", "loaded"]
    assert (overlapping.code, overlapping.out, overlapping.err) == (0, "", "")
    assert (stuck.code, stuck.out) == (7, "")
    assert re.fullmatch(
        rf"Error: {HOUR} is locked by another session \(role postgres .*\)\nHint: .*\n"
        r"No hour was loaded in the last two hours; if that session is stuck, end it: select pg_terminate_backend\(PID\)\n",
        stuck.err,
    )
    assert (beside_another.code, beside_another.err.count("Error: ")) == (4, 2)


def test_the_gravest_of_several_hours_decides(bookreport: Run, bookstore: Bookstore) -> None:
    bookstore.fill(HOUR, b"who,what\n")
    bookstore.fill(HOUR + 1, FILE)
    hours = [word for number in (2, 0, 1) for word in ("--hour", str(HOUR + number))]
    ended = bookreport("ingest", *hours, "--json")
    assert (ended.code, ended.error["hour"]) == (4, HOUR.instant)
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["failed", "loaded", "not-ready"]
