"""Figures by hour and day, and the span before, against plain Python over the same purchases."""

import random
from collections.abc import Callable
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import documents
import truth
from bookreport import reports
from bookreport.calendars import STEPS, Calendar, Unit
from bookreport.database import Database, Transaction
from bookreport.hours import Hour, Span
from bookreport.present.report import report_json, report_table
from bookstore import BOOKS, ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file
from connection import Sql
from loading import Load
from truth import Purchase

Sold = dict[Hour, list[Purchase]]
Sell = Callable[[Hour, int], Sold]


@pytest.fixture
def sell(bookstore: Bookstore, load: Load) -> Sell:
    """Writes and loads `hours` hours from `since` on, with users who return in other hours and on other days."""

    def fill(since: Hour, hours: int) -> Sold:
        chance = random.Random(5)
        sold: Sold = {}
        for hour in Span(since, since + hours):
            sold[hour] = [
                Purchase(
                    f"user{chance.randrange(12)}",
                    chance.choice([*(book.isbn10 or "" for book in BOOKS), UNKNOWN]),
                    chance.randrange(1, 4),
                    chance.choice(("7.50", "10.00", "0.333")),
                )
                for _ in range(chance.randrange(6))
            ]
            bookstore.fill(hour, csv_file(sold[hour]))
            assert load(hour).outcome == "loaded"
        return sold

    return fill


def step_of(hour: Hour, zone: str, by: str) -> str:
    """Return the name of the step that an hour is in."""
    local = hour.start.astimezone(ZoneInfo(zone))
    if by == "hour":
        return f"{local:%Y-%m-%dT%H}" if zone == "UTC" else local.isoformat(timespec="minutes")
    return f"{local:{ {'day': '%Y-%m-%d', 'week': '%G-W%V', 'month': '%Y-%m'}[by] }}"


def recounted(sold: Sold, span: Span, by: str, zone: str = "UTC") -> list[dict[str, Any]]:
    """Return the series of a span, counted in plain Python: each hour goes to the step that its local time says."""
    points = []
    for name, group in groupby(span, key=lambda hour: step_of(hour, zone, by)):
        hours = list(group)
        known = [hour for hour in hours if hour in sold]
        figures = truth.report([purchase for hour in known for purchase in sold[hour]], BOOKS)
        told = {**figures["total"], **{each: figures["buyers"][each] for each in ("buyers", "users", "percent")}}
        points.append(
            {
                "step": name,
                "since": hours[0].instant,
                "until": (hours[-1] + 1).instant,
                "whole": name not in (step_of(hours[0] + -1, zone, by), step_of(hours[-1] + 1, zone, by)),
                "hours_loaded": len(known),
                "hours_with_sales": len(known),
                **(told if known else dict.fromkeys(told)),
            }
        )
    return points


def printed(database: Database, span: Span, **asked: Any) -> Any:
    return documents.fitting(report_json(reports.make_report(database, span, **asked)))


@pytest.mark.parametrize(
    ("zone", "since", "hours"),
    [
        ("UTC", "2024-05-01T13", 40),
        # A day of 23 hours, and one of 25.
        ("Europe/Madrid", "2022-03-26T20", 55),
        ("Europe/Madrid", "2022-10-29T23", 60),
        # Midnight did not exist, and was there twice.
        ("America/Sao_Paulo", "2018-11-03T12", 50),
        ("America/Havana", "2022-11-05T12", 50),
        # 2011-12-30 had no hour at all.
        ("Pacific/Apia", "2011-12-29T05", 70),
    ],
)
def test_the_series_of_a_span_is_what_plain_python_counts_by_local_time(
    sell: Sell, bookstore: Bookstore, load: Load, database: Database, zone: str, since: str, hours: int
) -> None:
    first = Hour.parse(since)
    sold = sell(first + 2, 6) | sell(first + hours // 2, 7)
    empty, span = first + (hours - 4), Span(first, first + hours)
    bookstore.fill(empty)
    load(empty)
    sold[empty] = []
    bookstore.fill(first + hours)
    load(first + hours)
    for by in STEPS:
        made = printed(database, span, series=True, by=by, calendar=Calendar.of(zone))
        assert (made["by"], made["timezone"]) == (by, zone)
        assert made["series"] == recounted(sold, span, by, zone)
        assert sum(point["books_sold"] or 0 for point in made["series"]) == made["total"]["books_sold"]
        later = Span(span.until, span.until + hours)
        made = printed(database, later, previous=span, series=True, by=by, calendar=Calendar.of(zone))
        assert made["previous"]["series"] == recounted(sold, span, by, zone)


def test_hours_from_before_the_sums_by_format_are_in_a_series_too(sell: Sell, database: Database, sql: Sql) -> None:
    sold = sell(HOUR, 6)
    for table in ("group_sums", "unmatched_sums"):
        sql(f"delete from {table} where hour <> %s", (HOUR + 2).start)
    made = printed(database, Span(HOUR, HOUR + 6), series=True, by=Unit.HOUR)
    assert made["series"] == recounted(sold, Span(HOUR, HOUR + 6), "hour")


def test_a_series_that_nobody_asked_for_is_not_made(sell: Sell, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    sell(HOUR, 2)
    rows, asked = Transaction.rows, []

    def remembered(self: Transaction, name: str, /, **parameters: Any) -> Any:
        asked.append(name)
        return rows(self, name, **parameters)

    monkeypatch.setattr(Transaction, "rows", remembered)
    span = Span(HOUR, HOUR + 2)
    made = printed(database, span, previous=span.before)
    assert {"by", "timezone", "series"} & made.keys() == set()
    assert "reports/sales" in asked
    assert "reports/sales_by_step" not in asked
    counts = asked.count("days/rows")
    printed(database, span, previous=span.before, series=True)
    assert "reports/sales_by_step" in asked
    assert asked.count("days/rows") > 2 * counts


def test_the_steps_of_a_page_suit_the_length_of_its_span(sell: Sell, database: Database) -> None:
    sold = sell(HOUR, 3)
    for hours, by in ((1, "hour"), (96, "hour"), (97, "day"), (93 * 24, "day"), (93 * 24 + 1, "month")):
        span = Span(HOUR, HOUR + hours)
        made = printed(database, span, series=True)
        assert (made["by"], made["series"]) == (by, recounted(sold, span, by))


def test_the_span_before_and_the_change_since_are_what_plain_python_says(sell: Sell, database: Database) -> None:
    sold = sell(HOUR, 6)
    before, now = (
        truth.report([purchase for number in numbers for purchase in sold[HOUR + number]], BOOKS)
        for numbers in (range(3), range(3, 6))
    )
    made = printed(database, Span(HOUR + 3, HOUR + 6), previous=Span(HOUR, HOUR + 3))
    previous = made["previous"]
    assert made["total"] == now["total"]
    assert previous["window"] == {"since": HOUR.instant, "until": (HOUR + 3).instant}
    assert (previous["coverage"]["hours_loaded"], previous["coverage"]["complete"]) == (3, True)
    assert (previous["total"], previous["buyers"]) == (before["total"], before["buyers"])
    totals = (before["total"], now["total"])
    books, values = ([float(total[name]) for total in totals] for name in ("books_sold", "sale_value"))
    change = previous["change"]
    assert change["books_sold"] == books[1] - books[0]
    assert float(change["sale_value"]) == pytest.approx(values[1] - values[0])
    assert change["books_sold_percent"] == pytest.approx(100 * (books[1] - books[0]) / books[0], abs=0.051)
    assert change["sale_value_percent"] == pytest.approx(100 * (values[1] - values[0]) / values[0], abs=0.051)
    assert change["percent_points"] == pytest.approx(made["buyers"]["percent"] - before["buyers"]["percent"])


@pytest.mark.parametrize(("since", "until"), [(-1, 2), (3, 7)])
def test_no_change_is_told_when_an_hour_of_either_span_is_missing(
    sell: Sell, database: Database, since: int, until: int
) -> None:
    sell(HOUR, 6)
    span = Span(HOUR + since, HOUR + until)
    made = reports.make_report(database, span, previous=span.before)
    document: Any = documents.fitting(report_json(made))
    assert document["previous"]["change"] is None
    assert "No comparison with the preceding span" in report_table(made)


def test_a_span_before_in_which_nothing_was_sold_has_a_change_without_percentages(
    bookstore: Bookstore, load: Load, database: Database
) -> None:
    for hour, purchases in ((HOUR, []), (HOUR + 1, [Purchase("ann", SPANISH), Purchase("bob", ENGLISH)])):
        bookstore.fill(hour, csv_file(purchases))
        load(hour)
    made = reports.make_report(database, Span.of_hour(HOUR + 1), previous=Span.of_hour(HOUR))
    document: Any = documents.fitting(report_json(made))
    assert document["previous"]["change"] == {
        "books_sold": 2,
        "books_sold_percent": None,
        "sale_value": "20.00",
        "sale_value_percent": None,
        "percent_points": None,
    }
    assert "books +2 (n/a), value +20.00 (n/a), users who bought in Spanish n/a" in report_table(made)
