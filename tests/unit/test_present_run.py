import documents
from bookreport.errors import BadData, NotReady
from bookreport.hours import Hour
from bookreport.outcomes import Ending, Outcome
from bookreport.present import words
from bookreport.present.run import error_json, run_json, run_table

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
