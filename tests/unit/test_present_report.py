import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

import documents
from bookreport.calendars import UTC_CALENDAR, Calendar, Unit
from bookreport.catalogue import State
from bookreport.errors import BadData
from bookreport.hours import Hour, Span
from bookreport.outcomes import Ending, Outcome
from bookreport.present import page, words
from bookreport.present.report import report_csv, report_json, report_markdown, report_table
from bookreport.present.run import run_table
from bookreport.reports import Buyers, Point, Report, Sale, Unmatched
from bookreport.unusual import Unusual

HOUR = Hour.parse("2024-05-01T13")
REPORT = Report(
    span=Span(HOUR, HOUR + 3),
    generated_at=datetime(2024, 5, 2, 8, 30, 1, tzinfo=UTC),
    missing=(HOUR + 1,),
    sales=(
        Sale("Hardcover", "English", 1200, Decimal("12345.6")),
        Sale("Paper|back", None, 1, Decimal("0.125")),
        Sale(None, "Spanish", 2, Decimal(7)),
    ),
    unmatched=Unmatched(3, Decimal("9.99"), 2),
    buyers=(Buyers("Spanish", 2, 11), Buyers("Latin", 0, 11)),
    loaded_rows=1206,
    rejected_rows=4,
    catalogue=State(datetime(2024, 5, 1, 6, 5, 4, tzinfo=UTC), is_current=True, languages=("English",), may_refresh=True),
)
NOTHING = replace(REPORT, sales=(), unmatched=Unmatched(0, Decimal(0), 0), buyers=(Buyers("Spanish", 0, 0),), rejected_rows=0)


def test_the_json_report_is_the_one_that_scripts_know() -> None:
    assert documents.read(words.as_json(report_json(REPORT))) == {
        "schema": "bookreport.report/1",
        "generated_at": "2024-05-02T08:30:01Z",
        "window": {"since": "2024-05-01T13:00:00Z", "until": "2024-05-01T16:00:00Z"},
        "coverage": {
            "hours_expected": 3,
            "hours_loaded": 2,
            "hours_with_sales": 2,
            "hours_before_first": 0,
            "missing": ["2024-05-01T14:00:00Z"],
            "complete": False,
            "skipped": [],
            "pruned": [],
            "sums_kept": [],
            "unusual": [],
        },
        "sales": [
            {"format": "Hardcover", "language": "English", "books_sold": 1200, "sale_value": "12345.60"},
            {"format": "Paper|back", "language": None, "books_sold": 1, "sale_value": "0.125"},
            {"format": None, "language": "Spanish", "books_sold": 2, "sale_value": "7.00"},
        ],
        "unmatched": {"books_sold": 3, "sale_value": "9.99", "isbns": 2},
        "total": {"books_sold": 1206, "sale_value": "12362.715"},
        "buyers": {"language": "Spanish", "buyers": 2, "users": 11, "percent": 18.18},
        "buyers_by_language": [
            {"language": "Spanish", "buyers": 2, "users": 11, "percent": 18.18},
            {"language": "Latin", "buyers": 0, "users": 11, "percent": 0.0},
        ],
        "unknown_languages": [],
        "loaded_rows": 1206,
        "rejected_rows": 4,
        "catalogue_as_of": "2024-05-01T06:05:04Z",
        "catalogue_is_current": True,
    }


@pytest.mark.parametrize("printed", [report_table, report_markdown, page.report_page])
def test_a_report_tells_people_as_of_when_the_catalogue_is(printed: Callable[[Report], str]) -> None:
    assert "Catalogue as of 2024-05-01 06:05 UTC; the books have not changed since" in printed(REPORT)
    outdated = replace(REPORT, catalogue=replace(REPORT.catalogue, is_current=False))
    assert "Catalogue as of 2024-05-01 06:05 UTC; the books have changed since" in printed(outdated)
    assert report_json(outdated)["catalogue_is_current"] is False


def test_without_users_the_percentage_is_null_and_totals_are_zero() -> None:
    document = report_json(NOTHING)
    assert document["buyers"] == {"language": "Spanish", "buyers": 0, "users": 0, "percent": None}
    assert document["total"] == {"books_sold": 0, "sale_value": "0.00"}
    assert report_csv(NOTHING).splitlines()[-1] == "buyers,,Spanish,,,0,0,"
    assert "n/a (0 of 0 users)" in report_table(NOTHING)


@pytest.mark.parametrize(
    ("buyers", "users", "percent"),
    [
        (1, 3, "33.33"),
        (2, 3, "66.67"),
        (1, 800, "0.13"),
        (1, 1600, "0.06"),
        (3, 1600, "0.19"),
        (1, 20_001, "0.00"),
        (5, 5, "100.00"),
    ],
)
def test_a_percentage_is_rounded_half_up(buyers: int, users: int, percent: str) -> None:
    assert str(Buyers("Spanish", buyers, users).percent) == percent


def test_the_csv_has_all_sections_under_one_header() -> None:
    rows = list(csv.DictReader(io.StringIO(report_csv(REPORT))))
    assert list(rows[0]) == ["section", "format", "language", "books_sold", "sale_value", "users", "buyers", "percent"]
    assert [tuple(row.values()) for row in rows] == [
        ("sales", "Hardcover", "English", "1200", "12345.60", "", "", ""),
        ("sales", "Paper|back", "", "1", "0.125", "", "", ""),
        ("sales", "", "Spanish", "2", "7.00", "", "", ""),
        ("unmatched", "", "", "3", "9.99", "", "", ""),
        ("total", "", "", "1206", "12362.715", "", "", ""),
        ("buyers", "", "Spanish", "", "", "11", "2", "18.18"),
        ("buyers", "", "Latin", "", "", "11", "0", "0.00"),
    ]


def in_series() -> Report:
    """The report by day, of a span that begins and ends within one; the second day is pruned, the third not loaded."""
    span = Span(HOUR, HOUR + 64)
    steps = UTC_CALENDAR.steps(span, Unit.DAY)
    hours = [(11, 11), (0, 24), (0, 0), (5, 5)]
    points = (
        Point(step, loaded, with_sales, 3, Decimal("4.5"), Buyers("Spanish", 1 if loaded else 0, 3 if loaded else 0))
        for step, (loaded, with_sales) in zip(steps, hours, strict=True)
    )
    return replace(REPORT, span=span, by=Unit.DAY, series=tuple(points), sums_kept=tuple(Span(HOUR + 11, HOUR + 35)))


def test_the_json_has_the_series_only_where_it_was_asked_for() -> None:
    assert {"by", "timezone", "series"} & report_json(REPORT).keys() == set()
    document = documents.read(words.as_json(report_json(in_series())))
    assert (document["by"], document["timezone"]) == ("day", "UTC")
    first, pruned, missing, _ = document["series"]
    assert first == {
        "step": "2024-05-01",
        "since": "2024-05-01T13:00:00Z",
        "until": "2024-05-02T00:00:00Z",
        "whole": False,
        "hours_loaded": 11,
        "hours_with_sales": 11,
        "books_sold": 3,
        "sale_value": "4.50",
        "buyers": 1,
        "users": 3,
        "percent": 33.33,
    }
    assert (pruned["whole"], pruned["books_sold"], pruned["users"], pruned["percent"]) == (True, 3, None, None)
    assert {missing[name] for name in ("books_sold", "sale_value", "buyers", "users", "percent")} == {None}


def test_the_csv_has_the_series_in_longer_rows_under_the_same_columns() -> None:
    rows = list(csv.reader(io.StringIO(report_csv(in_series()))))
    before = list(csv.reader(io.StringIO(report_csv(REPORT))))
    more = ["step", "since", "until", "whole", "hours_loaded", "hours_with_sales"]
    assert rows[0] == before[0] + more
    assert rows[1 : len(before)] == [row + [""] * len(more) for row in before[1:]]
    first, pruned, missing, last = rows[len(before) :]
    day = ["2024-05-01", "2024-05-01T13:00:00Z", "2024-05-02T00:00:00Z", "false", "11", "11"]
    assert first == ["series", "", "Spanish", "3", "4.50", "3", "1", "33.33", *day]
    assert pruned[3:10] == ["3", "4.50", "", "", "", "2024-05-02", "2024-05-02T00:00:00Z"]
    assert missing[3:9] + missing[-2:] == ["", "", "", "", "", "2024-05-03", "0", "0"]
    assert last[8:] == ["2024-05-04", "2024-05-04T00:00:00Z", "2024-05-04T05:00:00Z", "false", "5", "5"]


def test_a_series_has_that_of_the_preceding_span_beside_it_step_by_step() -> None:
    made, span = in_series(), Span(HOUR + -24, HOUR)
    before = replace(made, span=span, series=(*made.series[2:], *made.series[:1]))
    compared = replace(made, previous=before, sums_kept=())
    rows = [line.split() for line in report_table(compared).splitlines() if line.startswith(("2024-", "Day"))]
    assert rows[0] == ["Day", "Hours", "loaded", "Books", "Value", "Value", "before", "Buyers", "Users", "Percent"]
    assert [row[-4] for row in rows[1:]] == ["n/a", "4.50", "4.50", "n/a"]
    document = documents.read(words.as_json(report_json(compared)))
    assert [point["step"] for point in document["previous"]["series"]] == ["2024-05-03", "2024-05-04", "2024-05-01"]
    sections = [row["section"] for row in csv.DictReader(io.StringIO(report_csv(compared)))]
    assert sections[-7:] == ["series"] * 4 + ["previous_series"] * 3


@pytest.mark.parametrize("printed", [report_table, report_markdown])
def test_in_another_time_zone_text_has_local_times_and_says_that_named_hours_are_utc(printed: Callable[[Report], str]) -> None:
    text = printed(replace(REPORT, calendar=Calendar.of("Europe/Madrid")))
    assert "Books sold, 2024-05-01T15:00+02:00 to 2024-05-01T18:00+02:00 Europe/Madrid\n" in text
    assert "Missing: 2024-05-01T14" in text
    assert "The hours named here are UTC" in text
    assert "are UTC" not in printed(REPORT)


@pytest.mark.parametrize("printed", [report_table, report_markdown])
def test_text_has_the_series_below_with_gaps_and_parts_of_days(printed: Callable[[Report], str]) -> None:
    def cells(line: str) -> list[str]:
        return [cell for cell in re.split(r" *\| *|  +", line) if cell]

    assert "By day" not in printed(REPORT)
    title, series = printed(in_series()).split("By day, UTC; ")[1].split("\n", 1)
    assert title == "buyers: users who bought a book in Spanish"
    rows = [cells(line) for line in series.splitlines() if "of" in line or "Day" in line]
    assert rows == [
        ["Day", "Hours with sales", "With users", "Books", "Value", "Buyers", "Users", "Percent"],
        ["2024-05-01 (part)", "11 of 11", "11 of 11", "3", "4.50", "1", "3", "33.33%"],
        ["2024-05-02", "24 of 24", "0 of 24", "3", "4.50", "n/a", "n/a", "n/a"],
        ["2024-05-03", "0 of 24", "0 of 24", "n/a", "n/a", "n/a", "n/a", "n/a"],
        ["2024-05-04 (part)", "5 of 5", "5 of 5", "3", "4.50", "1", "3", "33.33%"],
    ]
    nothing_pruned = printed(replace(in_series(), sums_kept=()))
    assert ["2024-05-04 (part)", "5 of 5", "3", "4.50"] in [cells(line)[:4] for line in nothing_pruned.splitlines()]


def test_the_csv_quotes_what_needs_quotes() -> None:
    report = replace(REPORT, sales=(Sale('Box, "de luxe"', "Old\nEnglish", 1, Decimal(1)),))
    row = list(csv.reader(io.StringIO(report_csv(report))))[1]
    assert row[1:3] == ['Box, "de luxe"', "Old\nEnglish"]


def test_the_markdown_escapes_what_markdown_would_take_for_its_own() -> None:
    text = report_markdown(REPORT)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| Format | Language | Books | Value | Share |"
    assert rows[1] == "| --- | --- | ---: | ---: | ---: |"
    assert rows[3] == r"| Paper\|back | (none) | 1 | 0.125 | 0.0% |"
    assert "| **Total** |  | **1,206** | **12,362.715** | **100.0%** |" in rows


def test_the_table_tells_sales_unmatched_total_buyers_and_coverage() -> None:
    lines = report_table(REPORT).splitlines()
    words = [line.split() for line in lines]
    assert lines[0] == "Books sold, 2024-05-01T13 to 2024-05-01T16 UTC"
    assert ["Hardcover", "English", "1,200", "12,345.60", "99.9%"] in words
    assert ["(none)", "Spanish", "2", "7.00", "0.1%"] in words
    assert ["(no", "such", "book)", "3", "9.99", "0.1%"] in words
    assert ["Total", "1,206", "12,362.715", "100.0%"] in words
    assert "Users who bought a book in Spanish: 18.18% (2 of 11 users)" in lines
    assert "2 of 3 hours are loaded; totals are too low. Missing: 2024-05-01T14" in lines
    assert any("4 rejected rows" in line for line in lines)
    assert any("2 ISBNs" in line for line in lines)


@pytest.mark.parametrize("printed", [report_table, report_markdown, page.report_page])
def test_unusual_hours_are_a_sentence_with_their_rows_and_the_usual_number(printed: Callable[[Report], str]) -> None:
    complete = replace(REPORT, missing=())
    assert "than usual" not in printed(complete)
    loaded_at = REPORT.generated_at
    few = [Unusual(HOUR + number, 100 + number, 5_000, loaded_at) for number in (0, 1, 3)]
    text = printed(replace(complete, unusual=(*few, Unusual(HOUR + 4, 12_000, 5_000, loaded_at))))
    assert (
        "3 hours have far fewer rows than usual:"
        " 2024-05-01T13 to 2024-05-01T15 (201, usually 10,000), 2024-05-01T16 (103, usually 5,000)" in text
    )
    assert "1 hour has far more rows than usual: 2024-05-01T17 (12,000, usually 5,000)" in text


def test_only_the_first_unusual_hours_are_told_in_words_and_all_in_the_json() -> None:
    unusual = tuple(Unusual(HOUR + 2 * number, 7, 100, REPORT.generated_at) for number in range(9))
    assert report_table(replace(REPORT, unusual=unusual)).count("usually 100") == 6
    assert "(7, usually 100) and 3 more\n" in report_table(replace(REPORT, unusual=unusual))
    document = documents.read(words.as_json(report_json(replace(REPORT, unusual=unusual))))
    assert document["coverage"]["unusual"][8] == {"hour": "2024-05-02T05:00:00Z", "rows": 7, "usual": 100}


def test_the_table_is_never_cut_by_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "Collector's edition in a wooden box with " + "very " * 40 + "many words"
    assert long in report_table(replace(REPORT, sales=(Sale(long, "English", 1, Decimal(1)),)))


def test_many_missing_hours_are_told_as_spans() -> None:
    far = Span(HOUR, HOUR + 100)
    missing = [HOUR + number for number in (1, 2, 3, 7, *range(10, 90, 2))]
    text = report_table(replace(REPORT, span=far, missing=tuple(missing)))
    assert "Missing: 2024-05-01T14 to 2024-05-01T17, 2024-05-01T20, " in text
    assert "and 36 more" in text


STEERING = "\x1b[2J\x1b]0;owned\x07\r\nnext\u202etfel\x9b31m"


def test_what_would_steer_a_terminal_is_made_visible_in_text() -> None:
    report = replace(REPORT, sales=(Sale(STEERING, STEERING, 1, Decimal(1)),), buyers=(Buyers(STEERING, 1, 1),))
    outcome = Outcome(HOUR, Ending.FAILED, error=BadData(f"bad {STEERING}"))
    for text in (report_table(report), report_markdown(report), run_table([outcome])):
        assert not set(text) & set("\x1b\x07\r\u202e\x9b")


def test_json_keeps_every_character_as_it_is() -> None:
    report = replace(REPORT, sales=(Sale(STEERING, "Español", 1, Decimal(1)),))
    text = words.as_json(report_json(report))
    assert documents.read(text)["sales"][0]["format"] == STEERING
    assert not set(text) & set("\x1b\x07\r")
    assert "Español" in text
