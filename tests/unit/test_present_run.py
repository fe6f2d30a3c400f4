from decimal import Decimal

import pytest

import documents
from bookreport.errors import BadData, BookreportError, Locked, NotReady, Temporary
from bookreport.hours import Hour
from bookreport.outcomes import Ending, Outcome, Total
from bookreport.present import words
from bookreport.present.run import error_json, others_line, outcome_line, run_json, run_table, sum_line

HOUR = Hour.parse("2024-05-01T13")


def test_an_error_is_one_line_of_json() -> None:
    text = error_json(NotReady('not\nyet: "\t"', hint="wait", hour=HOUR.instant))
    assert "\n" not in text
    assert documents.read(text) == {
        "schema": "bookreport.error/1",
        "code": 3,
        "kind": "not-ready",
        "hour": "2024-05-01T13:00:00Z",
        "message": 'not yet: "\\t"',
        "hint": "wait",
    }


def test_a_run_tells_each_hour_and_counts_the_outcomes() -> None:
    outcomes = [
        Outcome(HOUR, Ending.LOADED, 1, 3, 5021, 1000, 2, 1, 0.8),
        Outcome(HOUR + 1, Ending.FAILED, 2, error=BadData("no column")),
        Outcome(HOUR + 2, Ending.NOT_READY, error=NotReady("open")),
    ]
    document = documents.read(words.as_json(run_json(outcomes)))
    assert document["schema"] == "bookreport.run/1"
    first = document["hours"][0]
    assert first["hour"] == "2024-05-01T13:00:00Z"
    counts = ("files", "bytes", "rows_loaded", "rows_rejected", "rows_unmatched", "seconds")
    assert [first[name] for name in counts] == [3, 5021, 1000, 2, 1, 0.8]
    assert (first["outcome"], first["attempt"], first["error"]) == ("loaded", 1, None)
    assert [hour["error"] for hour in document["hours"][1:]] == ["no column", "open"]
    names = ("loaded", "reloaded", "unchanged", "failed", "locked", "not_ready")
    assert [document[name] for name in names] == [1, 0, 0, 1, 0, 1]
    assert "reports" not in document


def test_the_table_of_a_run_has_a_line_for_each_hour() -> None:
    lines = run_table(
        [Outcome(HOUR, Ending.LOADED, 1, 3, 5021, 1000, 2, 1, 0.8), Outcome(HOUR + 1, Ending.FAILED)]
    ).splitlines()
    assert lines[0].split() == ["Hour", "Outcome", "Files", "Bytes", "Rows", "Rejected", "Unmatched", "Seconds"]
    assert lines[2].split() == ["2024-05-01T13", "loaded", "3", "5,021", "1,000", "2", "1", "0.8"]
    assert lines[3].split()[:2] == ["2024-05-01T14", "failed"]


def reloaded(before: Total, after: Total) -> Outcome:
    return Outcome(HOUR, Ending.RELOADED, 2, 3, 5021, after.rows, 2, 0, 0.8, before=before, after=after)


def test_a_reload_tells_what_changed_and_nothing_else() -> None:
    before = Total(1000, 1200, Decimal("9990.10"))
    outcome = reloaded(before, Total(1002, 1200, Decimal("10010.08")))
    assert outcome_line(outcome) == f"{HOUR} reloaded: rows 1,000 → 1,002, value 9,990.10 → 10,010.08, 2 rejected, 0.8 s"
    assert outcome_line(reloaded(before, before)) == f"{HOUR} reloaded: nothing changed, 2 rejected, 0.8 s"
    hours = documents.read(words.as_json(run_json([outcome, Outcome(HOUR + 1, Ending.LOADED)])))["hours"]
    assert hours[0]["before"] == {"rows": 1000, "books_sold": 1200, "sale_value": "9990.10"}
    assert hours[0]["after"] == {"rows": 1002, "books_sold": 1200, "sale_value": "10010.08"}
    assert (hours[1]["before"], hours[1]["after"]) == (None, None)


@pytest.mark.parametrize(
    ("outcome", "error", "line"),
    [
        (Ending.FAILED, BadData("s3://b/a.csv: no column"), f"{HOUR} failed: s3://b/a.csv: no column"),
        (Ending.NOT_READY, NotReady(f"{HOUR} is not complete"), f"{HOUR} is not complete"),
        (Ending.LOCKED, Locked("Postgres: a lock"), f"{HOUR} locked: Postgres: a lock"),
    ],
)
def test_a_failed_hour_is_named_once(outcome: Ending, error: BookreportError, line: str) -> None:
    assert outcome_line(Outcome(HOUR, outcome, error=error)) == line


def test_a_failed_reload_says_what_counts() -> None:
    line = outcome_line(Outcome(HOUR, Ending.FAILED, error=BadData("no column"), still_loaded=True))
    assert line == f"{HOUR} failed to reload, and is as it was loaded before: no column"


LOADED, FAILED = Outcome(HOUR, Ending.LOADED, 1, 3, 50, 2000), Outcome(HOUR, Ending.FAILED, 1, error=BadData("no"))


@pytest.mark.parametrize(
    ("outcomes", "untried", "line"),
    [
        ([FAILED], 0, "No other hour is affected; every run retries what failed to load"),
        ([LOADED, FAILED], 0, "1 other hour is loaded; every run retries what failed to load"),
        (
            [LOADED, LOADED, Outcome(HOUR, Ending.FAILED, error=Temporary("down"))],
            3,
            "2 other hours are loaded; the run stopped, and 3 hours were not tried; every run retries what failed to load",
        ),
        ([LOADED], 1, "1 hour is loaded; the run stopped, and 1 hour was not tried"),
        ([Outcome(HOUR, Ending.NOT_READY, error=NotReady("open"))], 0, ""),
        ([Outcome(HOUR, Ending.FAILED, 2, error=BadData("no"), still_loaded=True)], 0, ""),
    ],
)
def test_a_run_that_failed_says_what_became_of_the_rest(outcomes: list[Outcome], untried: int, line: str) -> None:
    assert others_line(outcomes, untried) == line


def test_a_run_is_summed_up_in_one_line() -> None:
    outcomes = [LOADED] * 22 + [Outcome(HOUR, Ending.RELOADED, 2, 3, 50, 1000, 3)]
    assert sum_line(outcomes) == "22 loaded, 1 reloaded: 45,000 rows, 3 rejected"
