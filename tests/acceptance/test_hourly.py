"""The hourly job as cron runs it: silent on success, one clear message on failure, a file per hour, JSON."""

import json
import os
import re
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import documents
import truth
from bookreport.hours import Hour
from bookstore import BOOKS, ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file
from connection import Sql
from running import BACKENDS, WAITING, Finish, Run, Start, locked, wait_until
from truth import Purchase

SALES = [Purchase("ana", ENGLISH, 2, "10.00"), Purchase("ben", SPANISH), Purchase("eva", UNKNOWN)]
FILE = csv_file(SALES)
BAD = b"who,what\n1,2\n"


def test_a_day_that_piled_up_is_loaded_oldest_first_by_two_jobs_and_each_hour_is_reported(
    bookstore: Bookstore, bookreport: Run
) -> None:
    hours = [HOUR + number for number in range(24)]
    for hour in reversed(hours):
        bookstore.fill(hour, FILE)
    ended = bookreport("run-hour", "--jobs", "2", "--json")
    assert (ended.code, ended.json["loaded"]) == (0, 24)
    assert [outcome["hour"] for outcome in ended.json["hours"]] == [hour.instant for hour in hours]
    assert [made["window"]["since"] for made in ended.json["reports"]] == [hour.instant for hour in hours]
    expected = truth.report(SALES, BOOKS)
    for made in ended.json["reports"]:
        assert truth.figures(made) == expected


def test_one_bad_hour_of_a_day_is_told_once_and_alone_tried_again(bookstore: Bookstore, bookreport: Run) -> None:
    for number in range(24):
        bookstore.fill(HOUR + number, BAD if number == 9 else FILE)
    ended = bookreport("-q", "run-hour", "-o", os.devnull)
    assert (ended.code, ended.out) == (4, "")
    failed, hint, others = ended.err.splitlines()
    assert failed.startswith(f"Error: {HOUR + 9} failed: s3://")
    assert hint.startswith("Hint: ")
    assert others == "23 other hours are loaded; every run retries what failed to load"
    again = bookreport("run-hour", "--json")
    assert [(outcome["hour"], outcome["attempt"]) for outcome in again.json["hours"]] == [((HOUR + 9).instant, 2)]
    assert (again.code, again.error["kind"], again.error["hour"]) == (4, "bad-data", (HOUR + 9).instant)
    told = bookreport("status", "--json").json
    assert (told["loaded"], [failed["attempts"] for failed in told["failed"]]) == (23, [2])


def test_the_hour_that_ended_last_is_waited_for_only_where_it_is_not_there(bookstore: Bookstore, bookreport: Run) -> None:
    while datetime.now(UTC).minute == 59:
        time.sleep(1)  # the most recently ended hour must stay the same for the whole test
    bookstore.fill(Hour.last(), BAD)
    ended = bookreport("run-hour", "--wait", "40m", "--json")
    assert [(outcome["outcome"], outcome["attempt"]) for outcome in ended.json["hours"]] == [("failed", 1)]
    bookstore.fill(Hour.last(), FILE)
    assert bookreport("run-hour", "--wait", "40m", "--json").json["loaded"] == 1
    assert bookreport("run-hour", "--wait", "40m", "--json").json["hours"] == []


def test_an_interrupt_ends_all_jobs_and_keeps_none_of_their_hours(
    bookstore: Bookstore, bookreport: Run, start: Start, finish: Finish, database_url: str, sql: Sql
) -> None:
    for number in range(4):
        bookstore.fill(HOUR + number, FILE)
    with locked(database_url, "hour_sums"):
        process = start("run-hour", "--jobs", "2", "--json")
        wait_until(lambda: sql(WAITING) == [(2,)], process)
        sent = time.monotonic()
        process.send_signal(signal.SIGTERM)
        ended = finish(process)
        assert time.monotonic() - sent < 20  # the lock would be waited for half a minute
    assert (ended.code, ended.out, ended.error["kind"]) == (143, "", "interrupted")
    assert sql(BACKENDS) == [(0,)]
    assert sql("select count(*) from ledger") == sql("select count(*) from purchases") == [(0,)]
    assert bookreport("-q", "run-hour", "-o", os.devnull).code == 0
    assert sql("select count(*) from ledger where status = 'loaded'") == [(4,)]


def test_it_is_silent_when_all_is_well(bookstore: Bookstore, bookreport: Run, tmp_path: Path) -> None:
    hour = Hour.last()
    bookstore.fill(hour, FILE)
    for arguments in (("run-hour", "-o", "report.txt"), ("run-hour",), ("ingest", "--changed"), ("check", "--max-age", "3h")):
        ended = bookreport("-q", *arguments)
        assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert str(hour) in (tmp_path / "report.txt").read_text()


def test_what_went_wrong_is_json_in_every_state(bookstore: Bookstore, bookreport: Run) -> None:
    ended = bookreport("-q", "run-hour", "--json")
    assert (ended.code, ended.json["hours"], ended.json["reports"], ended.err) == (0, [], [], "")
    ended = bookreport("run-hour", "--json", S3_ENDPOINT_URL="http://127.0.0.1:1")
    assert (ended.code, ended.out, ended.error["kind"]) == (5, "", "temporary")
    bookstore.fill(HOUR, FILE)
    ended = bookreport("-q", "run-hour", "--json")
    assert (ended.code, ended.json["loaded"], ended.err) == (0, 1, "")
    for code, kind, settings in (
        (5, "temporary", {"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/none"}),
        (6, "config", {"MINIO_ROOT_PASSWORD": "wrong"}),
        (6, "config", {"S3_BUCKET": None}),
    ):
        ended = bookreport("run-hour", "--json", **settings)
        assert (ended.code, ended.out) == (code, "")
        assert (ended.error["code"], ended.error["kind"]) == (code, kind)
        assert ended.error["hint"]


def test_each_hour_has_a_file_that_is_written_again_when_it_is_missing_or_old(
    bookstore: Bookstore, bookreport: Run, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    for number in range(3):
        bookstore.fill(HOUR + number, FILE)
    assert bookreport("run-hour", "--json", "-o", "reports/{hour}.json").code == 6
    reports.mkdir()
    ended = bookreport("-q", "run-hour", "--json", "-o", "reports/{hour}.json")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    names = [f"{HOUR + number}.json" for number in range(3)]
    assert sorted(file.name for file in reports.iterdir()) == names
    expected = truth.report(SALES, BOOKS)
    for number, name in enumerate(names):
        made = documents.read((reports / name).read_text())
        assert made["window"]["since"] == (HOUR + number).instant
        assert truth.figures(made) == expected
    (reports / names[0]).unlink()
    os.utime(reports / names[1], (0, 0))
    untouched = (reports / names[2]).stat()
    assert bookreport("-q", "run-hour", "--json", "-o", "reports/{hour}.json").code == 0
    assert (reports / names[0]).exists()
    assert (reports / names[1]).stat().st_mtime > 0
    assert (reports / names[2]).stat() == untouched


def test_files_catch_up_with_what_other_commands_loaded_and_with_the_books(
    bookstore: Bookstore, bookreport: Run, sql: Sql, tmp_path: Path
) -> None:
    files = ("-q", "run-hour", "--json", "-o", "{hour}.json")
    for hour in (HOUR + -1000, HOUR):
        bookstore.fill(hour, FILE)
    assert bookreport("ingest").code == 0
    ended = bookreport(*files)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    names = [f"{HOUR + -1000}.json", f"{HOUR}.json"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    sql("update public.books set \"Language\" = 'Spanish'")
    bookstore.fill(HOUR + 1, FILE)
    assert bookreport("run-hour", "--hour", str(HOUR + 1), "--json", "-o", "{hour}.json").code == 0
    percents = [json.loads((tmp_path / f"{hour}.json").read_text())["buyers"]["percent"] for hour in (HOUR, HOUR + 1)]
    assert percents == [33.33, 66.67]
    ended = bookreport("run-hour", "--json", "-o", "{hour}.json")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.splitlines()[-2:] == [
        "2 reports of hours loaded earlier are missing or out of date; writing them, newest first",
        "2 of 2 reports written",
    ]
    assert [json.loads((tmp_path / name).read_text())["buyers"]["percent"] for name in names] == [66.67, 66.67]


def test_a_file_that_can_not_be_written_is_told_after_the_outcomes_and_takes_no_load_back(
    bookstore: Bookstore, bookreport: Run, sql: Sql, tmp_path: Path
) -> None:
    (tmp_path / f"{HOUR}.json").mkdir()
    for number in range(2):
        bookstore.fill(HOUR + number, FILE)
    ended = bookreport("run-hour", "--json", "-o", "{hour}.json")
    assert ended.code == 6
    assert ended.err.splitlines()[-2] == f"Error: can't write {HOUR}.json: Is a directory"
    assert ended.err.count(" loaded: ") == 2
    assert ended.err.rindex(" loaded: ") < ended.err.index("can't write")
    assert (tmp_path / f"{HOUR + 1}.json").is_file()
    assert sql("select count(*) from ledger where status = 'loaded'") == [(2,)]


def test_the_hour_belongs_in_the_name_of_the_file(bookreport: Run) -> None:
    ended = bookreport("run-hour", "-o", "{hour}/report.txt")
    assert ended.code == 2
    assert "{hour}" in ended.err


def test_events_are_objects_with_the_hour_and_the_run(bookstore: Bookstore, bookreport: Run, sql: Sql) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 1, BAD)
    ended = bookreport("--log-format", "json", "-v", "run-hour", "-o", os.devnull)
    events = [json.loads(line) for line in ended.err.splitlines()]
    assert {event["run_id"] for event in events} == {str(run_id) for (run_id,) in sql("select distinct run_id from loads")}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"]) for event in events)
    (loaded,) = [event for event in events if event["outcome"] == "loaded"]
    assert (loaded["level"], loaded["hour"], loaded["rows"], loaded["bytes"]) == ("info", HOUR.instant, 3, len(FILE))
    assert loaded["seconds"] > 0
    (failed,) = [event for event in events if event["outcome"] == "failed"]
    assert (failed["level"], failed["hour"]) == ("error", (HOUR + 1).instant)
    assert [event["rows"] for event in events if event["file"] == "purchases-1.csv"] == [3]


def test_an_hour_is_given_up_by_name_and_reason(bookstore: Bookstore, bookreport: Run) -> None:
    bookstore.fill(HOUR, BAD)
    bookstore.fill(HOUR + 1, FILE)
    assert bookreport("run-hour").code == 4
    assert bookreport("skip", "--hour", str(HOUR), "--reason", " ").code == 2
    ended = bookreport("skip", "--hour", str(HOUR), "--reason", "its files are lost", "--json")
    assert ended.json == {"schema": "bookreport.skip/1", "hour": HOUR.instant, "hours": 1, "reason": "its files are lost"}
    assert bookreport("-q", "run-hour").code == 0
    told = bookreport("status", "--json").json
    assert (told["failed"], told["skipped"]) == ([], [{"hour": HOUR.instant, "reason": "its files are lost"}])
    made = bookreport("report", "--since", str(HOUR), "--until", str(HOUR + 2), "--json").json
    assert made["coverage"]["skipped"] == [HOUR.instant]
    assert f"Skipped (given up): {HOUR}" in bookreport("report", "--since", str(HOUR), "--until", str(HOUR + 2)).out
    assert bookreport("skip", "--hour", str(HOUR + 1), "--reason", "a mistake").code == 2
    for span in ((), ("--since", str(HOUR)), ("--hour", str(HOUR + 2), "--until", str(HOUR + 3))):
        assert bookreport("skip", *span, "--reason", "an outage").code == 2
    ended = bookreport("skip", "--since", str(HOUR + 2), "--until", str(HOUR + 4), "--reason", "an outage", "--json")
    assert (ended.code, ended.json["hour"], ended.json["hours"]) == (0, (HOUR + 2).instant, 2)
    far = ("skip", "--hour", str(HOUR + -200), "--reason", "a typing error")
    assert (bookreport(*far).code, bookreport(*far, BOOKREPORT_LOOKBACK="10d").code) == (2, 0)
    undone = bookreport("unskip", "--hour", str(HOUR), "--json")
    assert undone.json == {"schema": "bookreport.unskip/1", "hour": HOUR.instant, "status": "failed"}
    assert bookreport("unskip", "--hour", str(HOUR + -200), "--json").json["status"] is None
    assert bookreport("unskip", "--hour", str(HOUR)).code == 2
    assert [failure["hour"] for failure in bookreport("status", "--json").json["failed"]] == [HOUR.instant]
    assert bookreport("-q", "run-hour").code == 4


def test_check_says_what_to_do_and_fails_by_3_for_age_and_by_6_for_the_rest(bookstore: Bookstore, bookreport: Run) -> None:
    bookstore.fill(HOUR, FILE)
    bookreport("ingest")
    assert bookreport("check").code == 0
    old = bookreport("check", "--max-age", "3h", "--json")
    assert (old.code, old.json["ok"], old.error["kind"]) == (3, False, "not-ready")
    assert [each["name"] for each in old.json["checks"] if not each["ok"]] == ["freshness"]
    quiet = bookreport("-q", "check", "--max-age", "3h", S3_BUCKET="absent")
    assert (quiet.code, quiet.err) == (6, "")
    assert "check S3_BUCKET and S3_ENDPOINT_URL from the environment" in quiet.out
    assert [line.split()[:2] for line in quiet.out.splitlines() if "FAILED" in line] == [
        ["bucket", "FAILED"],
        ["source", "FAILED"],
        ["freshness", "FAILED"],
    ]
    for options in (("-o", "found.txt"), ("--json",), ("--log-format", "json")):
        assert "3 of 14 checks failed: bucket, source, freshness" in bookreport(
            "-q", "check", "--max-age", "3h", *options, S3_BUCKET="absent"
        ).err  # fmt: skip
    bookstore.fill(HOUR, BAD)
    bookreport("forget", "--hour", str(HOUR), "--yes")
    bookreport("ingest")
    failed = bookreport("-q", "check", "--max-gap", "1h")
    assert (failed.code, failed.err, failed.out.count("FAILED")) == (3, "", 1)
    assert failed.out.startswith(f"failed      FAILED  1 hour failed: {HOUR}: s3://")
    wrong = bookreport("check", DATABASE_URL="mysql://me@here/shop")
    assert (wrong.code, wrong.out.split()[:2]) == (6, ["settings", "FAILED"])
    nothing = bookreport("check", "--json", DATABASE_URL=None)
    assert (nothing.code, [each["name"] for each in nothing.json["checks"]]) == (6, ["settings"])


def test_prune_tells_what_would_go_and_what_went(bookstore: Bookstore, bookreport: Run, sql: Sql) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 1, FILE + b"someone,0306406152,none,1.00\n")
    bookreport("ingest", "--reject-limit", "1")
    would = bookreport("prune", "--before", str(HOUR + 1), "--rejects-before", str(HOUR + 2), "--dry-run", "--json").json
    assert (would["hours"], would["rows"], would["reject_texts"], would["dry_run"]) == (1, 3, 1, True)
    assert sql("select count(*) from purchases") == [(6,)]
    went = bookreport("prune", "--before", str(HOUR + 1), "--rejects-before", str(HOUR + 2), "--json").json
    assert went == would | {"dry_run": False}
    assert sql("select count(*) from purchases") == [(3,)]
    assert bookreport("rejects", "--json").json["rejects"][0]["raw"] is None
    assert bookreport("rejects").code == 0
    assert bookreport("verify").code == 0
    assert bookreport("prune").code == 2
