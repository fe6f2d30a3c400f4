"""What a shop does when somebody asks to be erased, and with test data: the commands that ask for --yes."""

import json
import re

import documents
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import everything
from running import Run
from truth import Purchase

ANA = "ana@example.com"
FILE = csv_file([Purchase(ANA, SPANISH, 2), Purchase("bob", ENGLISH)])
DIRTY = FILE + f"{ANA},{ENGLISH},{ANA},1.00\n".encode()


def reports(bookreport: Run) -> list[object]:
    made = [bookreport("report", "--since", str(HOUR), "--until", str(HOUR + number), "--json").json for number in (1, 2, 4)]
    return [{name: value for name, value in report.items() if name != "generated_at"} for report in made]


def test_a_user_is_erased_once_somebody_says_yes_and_no_figure_changes(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    for number, file in enumerate((DIRTY, FILE, csv_file([Purchase("bob", ENGLISH)]), FILE)):
        bookstore.fill(HOUR + number, file)
    assert bookreport("ingest").code == 0
    before, stored = reports(bookreport), everything(sql)
    asked = bookreport("erase", "--user", ANA, "--json")
    assert (asked.code, asked.out, asked.error["kind"]) == (2, "", "usage")
    assert asked.error["message"] == (
        f"this would change 3 rows, 1 reject and 0 errors of 3 hours: {HOUR} to {HOUR + 2}, {HOUR + 3}"
    )
    assert asked.error["hint"] == "to do it, add --yes"
    assert everything(sql) == stored
    done = bookreport("erase", "--user", f" {ANA} ", "--user", ANA, "--yes", "--json")
    assert (done.code, done.json) == (
        0,
        {
            "schema": "bookreport.erase/1",
            "users": 1,
            "hours": 3,
            "rows": 3,
            "rejects": 1,
            "errors": 0,
            "spans": [
                {"since": HOUR.instant, "until": (HOUR + 2).instant, "hours": 2},
                {"since": (HOUR + 3).instant, "until": (HOUR + 4).instant, "hours": 1},
            ],
        },
    )
    [(other,)] = sql("select distinct user_id from purchases where user_id <> 'bob'")
    # Whoever had both ids could tell the person again.
    assert not re.search(f"{other}|{ANA}", done.out + done.err)
    assert ANA not in json.dumps(everything(sql))
    assert reports(bookreport) == before
    assert bookreport("verify").code == 0
    again = bookreport("erase", "--user", ANA, "--yes")
    assert (again.code, again.out, again.err) == (0, "", "nothing to erase\n")
    assert bookreport("erase", "--user", ANA).code == 0


def test_what_erase_can_not_reach_is_told_and_comes_back_with_a_reload(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    bookstore.fill(HOUR, FILE)
    assert bookreport("ingest").code == 0
    done = bookreport("erase", "--user", ANA, "--yes")
    assert re.search(rf"^{HOUR} to {HOUR + 1} UTC +1 +1 +0 +0$", done.out, re.MULTILINE)
    assert "the files of these hours in the bucket" in done.err
    assert bookreport("run-hour", "--hour", str(HOUR)).code == 0
    assert sql("select count(*) from purchases where user_id = %s", ANA) == [(1,)]


def test_no_user_is_no_wildcard(bookreport: Run) -> None:
    for arguments in ([], ["--user", ""], ["--user", " \t"]):
        assert bookreport("erase", *arguments, "--yes", "--json").error["kind"] == "usage"


def test_hours_are_forgotten_once_somebody_says_yes(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number, DIRTY)
    assert bookreport("ingest").code == 0
    stored = everything(sql)
    hours = ("--hour", str(HOUR + 1), "--hour", str(HOUR), "--hour", str(HOUR + 9))
    asked = bookreport("forget", *hours, "--json")
    assert (asked.code, asked.out, asked.error["kind"]) == (2, "", "usage")
    assert asked.error["message"] == f"this would remove 4 rows and 2 rejects of 2 hours: {HOUR} to {HOUR + 2}"
    assert everything(sql) == stored
    done = bookreport("forget", *hours, "--yes", "--json")
    assert done.code == 0
    each = {"status": "loaded", "rows": 2, "rejects": 1}
    assert done.json == {
        "schema": "bookreport.forget/1",
        "hours": [{"hour": HOUR.instant} | each, {"hour": (HOUR + 1).instant} | each],
        "rows": 4,
        "rejects": 2,
    }
    told = documents.read(bookreport("status", "--json").out)
    assert (told["loaded"], told["pending"]) == (1, [HOUR.instant, (HOUR + 1).instant])
    assert bookreport("verify").code == 0
    again = bookreport("forget", *hours, "--yes")
    assert (again.code, again.out, again.err) == (0, "", "nothing is known of these hours\n")
    assert bookreport("ingest", "--json").json["loaded"] == 2
    text = bookreport("forget", "--hour", str(HOUR), "--yes")
    assert re.search(rf"^{HOUR} +loaded +2 +1$", text.out, re.MULTILINE)
