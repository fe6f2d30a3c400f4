"""Figures by hour and day, and the span before, against plain Python over the same purchases."""

import random
from collections.abc import Callable
from typing import Any

import pytest

import documents
import truth
from bookreport import reports
from bookreport.database import Database
from bookreport.hours import Hour, Span
from bookreport.present.report import report_json, report_table
from bookstore import BOOKS, ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file
from loading import Load
from truth import Purchase

Sold = dict[Hour, list[Purchase]]
Sell = Callable[[Hour, int], Sold]

MIDNIGHT = Hour.parse("2024-05-01T00")


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


def point(span: Span, hours_loaded: int, purchases: list[Purchase]) -> dict[str, Any]:
    known = truth.report(purchases, BOOKS)
    return {
        "since": span.since.instant,
        "until": span.until.instant,
        "hours_loaded": hours_loaded,
        "hours_with_sales": hours_loaded,
        **known["total"],
        "buyers": known["buyers"]["buyers"],
        "users": known["buyers"]["users"],
        "percent": known["buyers"]["percent"],
    }


def unknown(span: Span) -> dict[str, Any]:
    figures = dict.fromkeys(("books_sold", "sale_value", "buyers", "users", "percent"))
    return {"since": span.since.instant, "until": span.until.instant, "hours_loaded": 0, "hours_with_sales": 0, **figures}


def printed(database: Database, span: Span, compare: bool = False, series: bool = False) -> Any:
    return documents.fitting(report_json(reports.make_report(database, span, compare=compare, series=series)))


def test_up_to_four_days_the_series_goes_by_hour_and_an_hour_without_sales_is_zero_a_missing_one_unknown(
    sell: Sell, bookstore: Bookstore, load: Load, database: Database
) -> None:
    sold = sell(HOUR, 5)
    bookstore.fill(HOUR + 5)
    load(HOUR + 5)
    span = Span(HOUR + -1, HOUR + 95)
    series = printed(database, span, series=True)["series"]
    assert len(series) == 96
    assert series[0] == unknown(Span.of_hour(HOUR + -1))
    assert series[1:6] == [point(Span.of_hour(hour), 1, purchases) for hour, purchases in sold.items()]
    assert series[6] == point(Span.of_hour(HOUR + 5), 1, [])
    assert series[6]["books_sold"] == 0
    assert series[7:] == [unknown(Span.of_hour(HOUR + number)) for number in range(6, 95)]


def test_above_four_days_the_series_goes_by_utc_day_with_distinct_users_of_each_day(sell: Sell, database: Database) -> None:
    sold = sell(MIDNIGHT + -2, 29)
    series = printed(database, Span(MIDNIGHT + -2, MIDNIGHT + 96), series=True)["series"]

    def within(span: Span) -> list[Purchase]:
        return [purchase for hour in span if hour in sold for purchase in sold[hour]]

    days = [Span(MIDNIGHT + -2, MIDNIGHT), Span(MIDNIGHT, MIDNIGHT + 24), Span(MIDNIGHT + 24, MIDNIGHT + 48)]
    assert series[:3] == [point(day, loaded, within(day)) for day, loaded in zip(days, (2, 24, 3), strict=True)]
    assert series[3:] == [unknown(Span(MIDNIGHT + 48, MIDNIGHT + 72)), unknown(Span(MIDNIGHT + 72, MIDNIGHT + 96))]
    assert sum(each["users"] or 0 for each in series) > len({purchase.user_id for each in sold.values() for purchase in each})


def test_the_span_before_and_the_change_since_are_what_plain_python_says(sell: Sell, database: Database) -> None:
    sold = sell(HOUR, 6)
    before, now = (
        truth.report([purchase for number in numbers for purchase in sold[HOUR + number]], BOOKS)
        for numbers in (range(3), range(3, 6))
    )
    made = printed(database, Span(HOUR + 3, HOUR + 6), compare=True)
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
    made = reports.make_report(database, Span(HOUR + since, HOUR + until), compare=True)
    document: Any = documents.fitting(report_json(made))
    assert document["previous"]["change"] is None
    assert "No comparison with the preceding span" in report_table(made)


def test_a_span_before_in_which_nothing_was_sold_has_a_change_without_percentages(
    bookstore: Bookstore, load: Load, database: Database
) -> None:
    for hour, purchases in ((HOUR, []), (HOUR + 1, [Purchase("ann", SPANISH), Purchase("bob", ENGLISH)])):
        bookstore.fill(hour, csv_file(purchases))
        load(hour)
    made = reports.make_report(database, Span.of_hour(HOUR + 1), compare=True)
    document: Any = documents.fitting(report_json(made))
    assert document["previous"]["change"] == {
        "books_sold": 2,
        "books_sold_percent": None,
        "sale_value": "20.00",
        "sale_value_percent": None,
        "percent_points": None,
    }
    assert "books +2 (n/a), value +20.00 (n/a), users who bought in Spanish n/a" in report_table(made)
