"""What the boss asks for: days, months and years of a time zone, and figures in steps."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from bookreport.hours import Hour, Span
from bookstore import ENGLISH, SPANISH, Bookstore, csv_file
from commands import Commands, Ended
from loading import Load
from truth import Purchase

MIDNIGHT = Hour.parse("2022-10-30T00")


@pytest.fixture
def run(
    bookstore: Bookstore, load: Load, all_commands: Commands, environment: dict[str, str], tmp_path: Path
) -> Callable[..., Ended]:
    """Runs the command after hours around the day of 25 hours were loaded, each with a purchase by two users."""
    for number in (-700, -3, -2, 0, 22, 23):
        bookstore.fill(MIDNIGHT + number, csv_file([Purchase("ana", SPANISH), Purchase(f"user{number}", ENGLISH)]))
        load(MIDNIGHT + number)
    return lambda *arguments, **settings: all_commands.start(arguments, environment | settings, tmp_path).end()


MADRID = ("--timezone", "Europe/Madrid")
ASKED: list[tuple[tuple[str, ...], str, int, int]] = [
    (("--day", "2022-10-30"), "2022-10-30T00", 24, 6),
    (("--day", "2022-10-30", *MADRID), "2022-10-29T22", 25, 6),
    (("--month", "2022-10", *MADRID), "2022-09-30T22", 745, 10),
    (("--year", "2022"), "2022-01-01T00", 8760, 12),
    (("--since", "2022-10-30", "--until", "2022-10-31"), "2022-10-30T00", 24, 6),
    (("--since", "2022-10-30", "--until", "2022-10-31", *MADRID), "2022-10-29T22", 25, 6),
    (("--since", "2022-10-30T01", "--until", "2022-10-31", *MADRID), "2022-10-30T01", 22, 2),
    (("--since", "2022-10-30"), "2022-10-30T00", 24, 6),
    (("--since", "2022-10-30T23"), "2022-10-30T23", 1, 2),
    (("--last", "2d"), "2022-10-29T00", 48, 10),
    # In Madrid, the newest hour is the first of 31 October.
    (("--last", "2d", *MADRID), "2022-10-29T22", 49, 8),
    (("--last", "24h", *MADRID), "2022-10-30T00", 24, 6),
    (("--timezone", "Asia/Kolkata"), "2022-10-30T23", 1, 2),
]
BEFORE: list[tuple[tuple[str, ...], str, str]] = [
    (("--day", "2022-10-30", *MADRID), "2022-10-28T22", "2022-10-29T22"),
    (("--month", "2022-10"), "2022-09-01T00", "2022-10-01T00"),
    (("--year", "2022", *MADRID), "2020-12-31T23", "2021-12-31T23"),
    (("--last", "1d"), "2022-10-29T00", "2022-10-30T00"),
    (("--since", "2022-10-30", "--until", "2022-11-01", *MADRID), "2022-10-27T22", "2022-10-29T22"),
    (("--since", "2022-10-29T22", "--until", "2022-10-31T00", *MADRID), "2022-10-28T20", "2022-10-29T22"),
]


def test_a_span_is_asked_for_as_people_say_it(run: Callable[..., Ended]) -> None:
    for options, since, hours, books in ASKED:
        ended, first = run("report", *options, "--json"), Hour.parse(since)
        assert ended.code == 0, ended
        assert ended.json["window"] == {"since": first.instant, "until": (first + hours).instant}, options
        assert ended.json["total"]["books_sold"] == books
        assert {"series", "by", "previous"} & ended.json.keys() == set()
    # Of what lies ahead, nothing is loaded.
    for options in (("--since", "2022-10-31"), ("--day", "2022-10-31")):
        ended = run("report", *options, "--json")
        assert (ended.code, ended.error["kind"]) == (3, "not-ready")


def test_compared_with_the_previous_is_the_day_month_or_year_before(run: Callable[..., Ended]) -> None:
    for options, since, until in BEFORE:
        previous = run("report", *options, "--compare", "previous", "--json").json["previous"]
        window = {"since": Hour.parse(since).instant, "until": Hour.parse(until).instant}
        assert previous["window"] == window, options


def test_the_time_zone_may_be_a_setting_and_the_option_wins(run: Callable[..., Ended]) -> None:
    local = {"BOOKREPORT_TIMEZONE": "Europe/Madrid"}
    day = ("report", "--day", "2022-10-30", "--json")
    assert run(*day, **local).json["window"]["since"] == "2022-10-29T22:00:00Z"
    assert run(*day, "--timezone", "UTC", **local).json["window"]["since"] == "2022-10-30T00:00:00Z"
    for command in (("report",), ("check",)):
        ended = run(*command, BOOKREPORT_TIMEZONE="Mars/Olympus")
        assert (ended.code, "BOOKREPORT_TIMEZONE: no time zone 'Mars/Olympus'" in ended.out + ended.err) == (6, True)
    # A date is no hour where the command has no time zone: it is UTC's midnight.
    assert run("verify", "--since", "2022-10-30", "--until", "2022-10-31", "--json", **local).json["hours"] == 3


def test_the_series_is_in_the_table_the_csv_the_json_and_the_page_alike(run: Callable[..., Ended]) -> None:
    asked = ("report", "--day", "2022-10-30", "--timezone", "Europe/Madrid", "--by", "hour")
    series = run(*asked, "--json").json["series"]
    assert len(series) == 25
    assert [point["since"] for point in series] == [hour.instant for hour in Span(MIDNIGHT + -2, MIDNIGHT + 23)]
    known = {point["step"]: point["books_sold"] for point in series if point["books_sold"] is not None}
    assert known == {"2022-10-30T00:00+02:00": 2, "2022-10-30T02:00+02:00": 2, "2022-10-30T23:00+01:00": 2}
    rows = [row for row in csv.DictReader(io.StringIO(run(*asked, "--format", "csv").out)) if row["section"] == "series"]
    assert [(row["step"], row["books_sold"]) for row in rows] == [
        (point["step"], str(point["books_sold"] or "")) for point in series
    ]
    table = run(*asked).out
    assert [line.split()[0] for line in table.splitlines() if line.startswith("2022-10-30T")] == [
        point["step"] for point in series
    ]
    page = run(*asked, "--format", "html").out
    assert "Sunday 30 October 2022, Europe/Madrid" in page
    assert page.count('<th scope="row">Sun 30 Oct, 02:00') == 2
    assert page.count("Sun 30 Oct, 02:00 again") == 1


def test_a_month_goes_by_day_and_a_year_by_month_on_the_page_with_the_one_before(run: Callable[..., Ended]) -> None:
    month = run("report", "--month", "2022-10", "--timezone", "Europe/Madrid", "--format", "html").out
    assert "<title>Book sales, October 2022</title>" in month
    assert "<h2>Day by day</h2>" in month
    assert "No comparison with the preceding span" in month
    year = run("report", "--year", "2022", "--format", "html").out
    assert "<title>Book sales, 2022</title>" in year
    assert "<h2>Month by month</h2>" in year
    assert '<th scope="row">October 2022</th>' in year
