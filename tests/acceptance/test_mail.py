"""What a person gets to read: the mail of a run that failed, what a terminal shows; and what a program gets of the same."""

import os
import pty
import shlex
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

import documents
from bookreport.hours import Hour
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from running import Run
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH, 2, "10.00")])
DIRT = FILE + f"ana,{ENGLISH},n/a,1.00\n".encode() * 850 + f",{ENGLISH},1,1.00\n".encode()
BAD = b"who,what\n1,2\n"


@pytest.fixture
def two_bad_of_four(bookstore: Bookstore) -> dict[Hour, str]:
    """Four hours, two of them bad; their mails."""
    for number, file in enumerate((FILE, DIRT, BAD, FILE)):
        bookstore.fill(HOUR + number, file)
    dirt, bad = (f"s3://{bookstore.bucket}/{(HOUR + number).partition}purchases-1.csv" for number in (1, 2))
    return {
        HOUR + 1: (
            f"Error: {HOUR + 1} failed: 851 of 852 records are bad, more than the limit of 1%\n"
            f"  850 like purchases-1.csv line 3: quantity 'n/a' is not a whole number: ana,{ENGLISH},n/a,1.00\n"
            f"  purchases-1.csv line 853: user_id is empty: ,{ENGLISH},1,1.00\n"
            f"Hint: have the producer mend {dirt}; to see the records: bookreport rejects --hour {HOUR + 1}; only if that can't"
            f" be, load the hour without these records: bookreport run-hour --hour {HOUR + 1} --reject-limit 851\n"
        ),
        HOUR + 2: (
            f"Error: {HOUR + 2} failed: {bad}: line 1: no column for user_id and isbn10 in the header ['who', 'what']\n"
            "Hint: recognised are for user_id userid, user, customerid, customer, buyerid, buyer; for isbn10 isbn10, isbn"
            " (ignoring case, spaces, - and _); for another name, set BOOKREPORT_COLUMNS='user_id=NAME,isbn10=NAME'; if the"
            " files have no header line, set"
            " BOOKREPORT_HEADER\n"
        ),
    }


def test_a_mail_says_which_object_is_bad_what_is_loaded_and_what_to_do_each_once(
    bookreport: Run, two_bad_of_four: dict[Hour, str], tmp_path: Path
) -> None:
    mails = "".join(two_bad_of_four.values())
    first = bookreport("-q", "run-hour", "--json", "-o", "{hour}.json")
    assert (first.code, first.out) == (4, "")
    assert first.err == f"{mails}2 other hours are loaded; every run retries what failed to load\n"
    assert sorted(file.name for file in tmp_path.glob("*.json")) == [f"{HOUR}.json", f"{HOUR + 3}.json"]
    for command in (["ingest"], ["run-hour"], ["ingest", "--json", "-o", "run.json"]):
        again = bookreport("-q", *command)
        last = "No other hour is affected; every run retries what failed to load\n"
        assert (again.code, again.out, again.err) == (4, "", mails + last)
    assert documents.read((tmp_path / "run.json").read_text())["failed"] == 2


def test_what_stopped_the_loads_and_keeps_reports_from_being_written_is_told_once(
    bookreport: Run, bookstore: Bookstore, sql: Sql
) -> None:
    bookstore.fill(HOUR, FILE)
    assert bookreport("-q", "ingest").code == 0
    bookstore.fill(HOUR + 1, FILE)
    full = "begin raise 'full' using errcode = 'disk_full'; end"
    sql(f"create function full_disk() returns trigger language plpgsql as $${full}$$")
    for table in ("purchase_rows", "reports_written"):
        sql(f"create trigger full_disk before insert on {table} for each statement execute function full_disk()")
    failed = bookreport("-q", "run-hour", "--json", "-o", "{hour}.json")
    assert (failed.code, failed.out) == (5, "")
    first, hint, *others = failed.err.splitlines()
    assert first.startswith(f"Error: {HOUR + 1} failed: Postgres is out of space")
    assert hint.startswith("Hint: free space")
    assert others == ["No other hour is affected; every run retries what failed to load"]


def test_a_hint_on_rejects_leads_to_them_and_loads_the_hour(bookreport: Run, two_bad_of_four: dict[Hour, str]) -> None:
    assert bookreport("-q", "ingest").code == 4
    hint = two_bad_of_four[HOUR + 1].split("Hint: ")[1]
    see, load = (shlex.split(part.split(": ")[-1])[1:] for part in hint.split("; ")[1:])
    assert len(bookreport(*see, "--limit", "2000", "--json").json["rejects"]) == 851
    assert bookreport(*load, "--json").json["hours"][0]["rows_rejected"] == 851


def test_a_program_gets_an_error_of_each_failed_hour_and_no_sentence_beside_it(
    bookreport: Run, two_bad_of_four: dict[Hour, str], tmp_path: Path
) -> None:
    hours = [word for hour in (HOUR + 9, *two_bad_of_four) for word in ("--hour", str(hour))]
    in_order = [((HOUR + 9).instant, 3), *((hour.instant, 4) for hour in two_bad_of_four)]
    asked = bookreport("ingest", "--json", *hours)
    errors = [documents.read(line) for line in asked.err.splitlines()]
    assert (asked.code, [(error["hour"], error["code"]) for error in errors]) == (4, in_order)
    assert [hour["error"] for hour in asked.json["hours"] if hour["outcome"] == "failed"] == [e["message"] for e in errors[1:]]
    logged = bookreport("-q", "--log-format", "json", "ingest", "-o", "run.txt", *hours)
    events = [documents.read(line) for line in logged.err.splitlines()]
    assert (logged.code, [(event["hour"], event["code"]) for event in events]) == (4, in_order)
    assert [(event["level"], event["outcome"]) for event in events] == [("error", "not-ready"), *[("error", "failed")] * 2]
    assert all(event["run_id"] for event in events)
    (tmp_path / f"{HOUR}.json").mkdir()
    unwritten = bookreport("-q", "--log-format", "json", "run-hour", "-o", "{hour}.json")
    assert (unwritten.code, [documents.read(line)["code"] for line in unwritten.err.splitlines()]) == (6, [4, 4, 6])


@pytest.mark.parametrize("arguments", [["--json", "-o", "{hour}.json"], []])
def test_a_setting_that_is_missing_is_mailed_as_a_sentence(bookreport: Run, arguments: list[str]) -> None:
    ended = bookreport("-q", "run-hour", *arguments, MINIO_ROOT_PASSWORD=None)
    hint = "Hint: set them in the environment, in ./.env, or in a file given by --env-file"
    assert (ended.code, ended.out, ended.err) == (6, "", f"Error: missing settings: MINIO_ROOT_PASSWORD\n{hint}\n")


def test_quiet_loads_print_nothing_but_what_a_program_asked_for(bookreport: Run, bookstore: Bookstore) -> None:
    for number, command in enumerate((["ingest", "--all"], ["run-hour"], ["ingest", "--json"])):
        bookstore.fill(HOUR + number, FILE)
        ended = bookreport("-q", *command)
        assert (ended.code, ended.err) == (0, "")
        assert bool(ended.out) == ("--json" in command)
    bookstore.fill(HOUR, FILE + b"x")
    bookstore.write(HOUR, "late.csv", FILE)
    ended = bookreport("-q", "ingest", "--changed")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_what_max_reload_cut_off_is_an_error_whose_hint_reloads_it_and_a_reload_tells_what_changed(
    bookreport: Run, bookstore: Bookstore
) -> None:
    for number in range(4):
        bookstore.fill(HOUR + number, FILE)
    assert bookreport("-q", "ingest").code == 0
    for number in range(3):
        bookstore.write(HOUR + number, "late.csv", csv_file([Purchase("bob", ENGLISH, 1, "0.50")]))
    ended = bookreport("ingest", "--changed", "--max-reload", "1")
    assert ended.code == 4
    assert f"{HOUR} reloaded: rows 1 → 2, books 2 → 3, value 20.00 → 20.50, " in ended.err
    assert (
        f"Error: the files of 2 more loaded hours have changed, and were not reloaded: {HOUR + 1} to {HOUR + 3}\n" in ended.err
    )
    hint = ended.err.splitlines()[-1].removeprefix("Hint: reload them: bookreport ")
    dry = bookreport("ingest", "--changed", "--max-reload", "1", "--dry-run", "--json")
    assert (dry.code, dry.error["kind"], dry.error["hour"]) == (4, "bad-data", None)
    rest = bookreport(*shlex.split(hint), "--json")
    before, after = {"rows": 1, "books_sold": 2, "sale_value": "20.00"}, {"rows": 2, "books_sold": 3, "sale_value": "20.50"}
    assert [(hour["before"], hour["after"]) for hour in rest.json["hours"]] == [(before, after)] * 2
    assert (rest.code, bookreport("verify").code) == (0, 0)


def on_a_terminal(command: str, environment: dict[str, str], folder: Path, *arguments: str) -> str:
    """Return what a terminal gets to show of a command, with its steering characters."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(
        [command, *arguments],
        env=environment | {"TERM": "xterm"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    with os.fdopen(master, "rb", buffering=0) as screen, suppress(OSError):
        # Linux ends what comes from a terminal that nobody writes to any more with an error.
        while piece := screen.read(1 << 16):
            shown += piece
    process.wait()
    return shown.decode()


def test_a_terminal_shows_a_bar_and_one_summary_and_each_hour_only_if_asked(
    command: str, environment: dict[str, str], bookstore: Bookstore, tmp_path: Path
) -> None:
    for number in range(7):
        # Not the same file twice, which is warned of.
        bookstore.write(HOUR + number, "purchases.csv", csv_file([Purchase(f"user {number}", ENGLISH)]))
    for number in range(3):
        bookstore.close(HOUR + number)
    shown = on_a_terminal(command, environment, tmp_path, "ingest")
    assert "Loading hours" in shown
    # What is left once the bar is taken away.
    assert shown.rpartition("\x1b[2K")[2] == "3 loaded: 3 rows\r\n"
    assert str(HOUR)[:10] not in shown
    for number in range(3, 6):
        bookstore.close(HOUR + number)
    asked = on_a_terminal(command, environment, tmp_path, "-v", "ingest")
    assert asked.count(f"{HOUR + 4} loaded: 1 row") == 1
    assert asked.count(f"\n{HOUR + 4}   loaded ") == 1
    bookstore.close(HOUR + 6)
    alone = on_a_terminal(command, environment, tmp_path, "ingest")
    assert alone.count(str(HOUR + 6)) == alone.count(f"{HOUR + 6} loaded: 1 row") == 1


def test_a_line_of_the_log_goes_above_the_bar_whole(
    command: str, environment: dict[str, str], two_bad_of_four: dict[Hour, str], tmp_path: Path
) -> None:
    shown = on_a_terminal(command, environment, tmp_path, "ingest")
    for mail in two_bad_of_four.values():
        assert "\r\x1b[2K" + mail.replace("\n", "\r\n") in shown
    assert shown.rpartition("\x1b[2K")[2] == "2 other hours are loaded; every run retries what failed to load\r\n"
