"""Hours in any state: every format agrees with plain Python on which hours' sales and users are known."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import truth
from bookreport import ledger, prune, reports
from bookreport.calendars import Unit
from bookreport.database import Database
from bookreport.errors import NotReady
from bookreport.hours import Hour, Span
from bookreport.present import page
from bookreport.present.report import report_csv, report_json, report_markdown, report_table
from bookstore import BOOKS, ENGLISH, SPANISH, UNKNOWN, Bookstore, csv_file
from connection import Sql
from loading import Load
from truth import Purchase

SINCE = Hour.parse("2024-04-30T20")
STATES = ("loaded", "pruned", "sums kept", "skipped", "failed", "never")
purchases = st.builds(
    Purchase, st.sampled_from(["ana", "bob", "eva"]), st.sampled_from([ENGLISH, SPANISH, UNKNOWN]), st.integers(1, 3)
)
hours = st.lists(st.tuples(st.sampled_from(STATES), st.lists(purchases, max_size=4)), min_size=8, max_size=8)


class Shop:
    """Eight hours across midnight, each in a state of its own, and what is known of them."""

    def __init__(self, hours: list[tuple[str, list[Purchase]]]) -> None:
        self.state = {SINCE + number: state for number, (state, _) in enumerate(hours)}
        self.sold = {SINCE + number: purchases for number, (_, purchases) in enumerate(hours)}

    def hours_with_sales(self, span: Span) -> list[Hour]:
        return [hour for hour in span if self.state.get(hour) in ("loaded", "sums kept")]

    def hours_loaded(self, span: Span) -> list[Hour]:
        return [hour for hour in span if self.state.get(hour) == "loaded"]

    def figures(self, span: Span) -> dict[str, Any]:
        of_sales, of_users = (
            truth.report([purchase for hour in of for purchase in self.sold[hour]], BOOKS)
            for of in (self.hours_with_sales(span), self.hours_loaded(span))
        )
        return of_sales | {"buyers": of_users["buyers"]}

    def point(self, span: Span) -> dict[str, Any]:
        figures, loaded, with_sales = self.figures(span), self.hours_loaded(span), self.hours_with_sales(span)
        unknown = {"books_sold": None, "sale_value": None}
        nobody = {"buyers": None, "users": None, "percent": None}
        return {
            "since": span.since.instant,
            "until": span.until.instant,
            "hours_loaded": len(loaded),
            "hours_with_sales": len(with_sales),
            **(figures["total"] if with_sales else unknown),
            **({name: figures["buyers"][name] for name in nobody} if loaded else nobody),
        }

    def coverage(self, span: Span) -> dict[str, Any]:
        def those(*states: str) -> list[str]:
            return [hour.instant for hour in span if self.state.get(hour, "never") in states]

        return {
            "hours_expected": len(span),
            "hours_loaded": len(those("loaded")),
            "hours_with_sales": len(those("loaded", "sums kept")),
            "hours_before_first": 0,
            "missing": those(*STATES[1:]),
            "complete": those("loaded") == those(*STATES),
            "skipped": those("skipped"),
            "pruned": those("pruned", "sums kept"),
            "sums_kept": those("sums kept"),
            "unusual": [],
        }


@pytest.fixture
def make(bookstore: Bookstore, load: Load, database: Database, sql: Sql) -> Callable[..., Shop]:
    """Brings eight hours into their states with the tool itself; the shop's first hour is long before."""

    def bring(hour: Hour, state: str, purchases: list[Purchase]) -> None:
        bookstore.fill(hour, b"who,what\n1,2\n" if state == "failed" else csv_file(purchases))
        if state in ("loaded", "pruned", "sums kept"):
            assert load(hour, again=True).error is None
        elif state == "failed":
            assert load(hour).outcome == "failed"
        elif state == "skipped":
            ledger.skip(database, Span.of_hour(hour), "never to come")
        if state in ("pruned", "sums kept"):
            month = prune.PrunedMonth(Span.of_hour(hour), whole=False, hours=1, rows=len(purchases))
            prune.prune(database, month, keep_sums=state == "sums kept")

    def run(hours: list[tuple[str, list[Purchase]]]) -> Shop:
        sql("truncate ledger, ledger_files, loads, rejects, purchase_rows, hour_sums")
        bring(SINCE + -100, "loaded", [Purchase("zoe", ENGLISH)])
        shop = Shop(hours)
        for hour, state in shop.state.items():
            bring(hour, state, shop.sold[hour])
        return shop

    return run


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours, st.integers(0, 7), st.integers(1, 8), st.booleans())
def test_all_formats_say_of_hours_in_any_state_what_plain_python_says(
    make: Callable[..., Shop],
    database: Database,
    hours: list[tuple[str, list[Purchase]]],
    first: int,
    length: int,
    by_day: bool,
) -> None:
    shop, span = make(hours), Span(SINCE + first, SINCE + min(first + length, 8))
    if not shop.hours_with_sales(span):
        with pytest.raises(NotReady):
            reports.make_report(database, span)
        return
    by = Unit.DAY if by_day else Unit.HOUR
    made = reports.make_report(database, span, previous=span.before, series=True, by=by)
    see_json(shop, span, report_json(made), by_day=by_day)
    see_rows(shop, span, report_csv(made))
    for text in (report_table(made), report_markdown(made).replace("\\", "").replace("  \n", "\n")):
        see_text(shop, span, text)
    see_page(shop, span, page.report_page(made))


def before_of(span: Span) -> Span:
    assert span.before is not None
    return span.before


def see_json(shop: Shop, span: Span, document: Any, *, by_day: bool) -> None:
    before = before_of(span)
    for part, of in ((document, span), (document["previous"], before)):
        assert part["coverage"] == shop.coverage(of)
        for name, figure in shop.figures(of).items():
            assert part.get(name, figure) == figure
    midnight = SINCE + 4
    parts = [of for of in ((span.since, min(midnight, span.until)), (max(midnight, span.since), span.until)) if of[0] < of[1]]
    steps = [Span(*part) for part in parts] if by_day else [Span.of_hour(hour) for hour in span]
    assert [point | shop.point(step) for point, step in zip(document["series"], steps, strict=True)] == document["series"]
    assert sum(point["books_sold"] or 0 for point in document["series"]) == document["total"]["books_sold"]
    change, both = document["previous"]["change"], (span, before)
    assert (change is not None) == all(len(shop.hours_with_sales(of)) == len(of) for of in both)
    if change is not None:
        figures = [shop.figures(of) for of in both]
        books, books_before = (each["total"]["books_sold"] for each in figures)
        assert change["books_sold"] == books - books_before
        percents = [each["buyers"]["percent"] for each in figures]
        known = all(len(shop.hours_loaded(of)) == len(of) for of in both) and None not in percents
        assert change["percent_points"] == (pytest.approx(percents[0] - percents[1]) if known else None)


def see_rows(shop: Shop, span: Span, text: str) -> None:
    rows = {row["section"]: row for row in csv.DictReader(io.StringIO(text))}
    for of, prefix in ((span, ""), (before_of(span), "previous_")):
        total, buyers = shop.figures(of)["total"], shop.figures(of)["buyers"]
        assert [rows[f"{prefix}total"][name] for name in total] == [str(total[name]) for name in total]
        assert [rows[f"{prefix}buyers"][name] for name in ("users", "buyers")] == [str(buyers["users"]), str(buyers["buyers"])]


def see_text(shop: Shop, span: Span, text: str) -> None:
    figures, coverage = shop.figures(span), shop.coverage(span)
    loaded, with_sales, kept = coverage["hours_loaded"], coverage["hours_with_sales"], len(coverage["sums_kept"])
    assert re.search(rf"Total\W+{figures['total']['books_sold']}\W+{re.escape(figures['total']['sale_value'])}\W", text)
    buyers = figures["buyers"]
    share = "n/a" if buyers["percent"] is None else f"{buyers['percent']:.2f}%"
    of_hours = f" of {loaded} of {len(span)} hours" if kept else ""
    users = f"{buyers['users']} user{'' if buyers['users'] == 1 else 's'}"
    assert f"Users who bought a book in Spanish: {share} ({buyers['buyers']} of {users}{of_hours})\n" in text
    assert told_coverage(shop, span) in text
    assert ("totals are too low" in text) == (with_sales < len(span))
    assert ("Pruned, their sums kept: " in text) == bool(kept)


def told_coverage(shop: Shop, span: Span) -> str:
    loaded, kept = len(shop.hours_loaded(span)), len(shop.coverage(span)["sums_kept"])
    if not kept:
        return f"{loaded} of {len(span)} hours are loaded"
    pruned = "1 was pruned, its sums kept" if kept == 1 else f"{kept} were pruned, their sums kept"
    return f"Sales: {loaded + kept} of {len(span)} hours; users: {loaded} of {len(span)} ({pruned})"


def see_page(shop: Shop, span: Span, text: str) -> None:
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)

    def words(element: Any) -> str:
        return " ".join("".join(element.itertext()).split())

    figures, with_sales = shop.figures(span), len(shop.hours_with_sales(span))
    numbers = [words(each) for each in tree.iter("p") if each.get("class") == "number"]
    assert numbers[:2] == [str(figures["total"]["books_sold"]), figures["total"]["sale_value"]]
    banners = [words(each) for each in tree.iter("p") if each.get("class") == "banner"]
    assert len(banners) == (len(shop.hours_loaded(span)) < len(span))
    for banner in banners:
        assert told_coverage(shop, span) in banner
        lacking = len(span) - with_sales
        lower = f"The totals are too low: they lack {lacking} hour{'' if lacking == 1 else 's'}. Not loaded: "
        assert (lower in banner) == bool(lacking) == ("too low" in banner)
    lines = [told for each in tree.iter("div") if (told := each.get("aria-label") or "").startswith("Line: ")]
    state = "without users" if shop.coverage(span)["sums_kept"] else "not loaded"
    for line, known, what in zip(lines, (with_sales, len(shop.hours_loaded(span))), ("not loaded", state), strict=False):
        lacking = len(span) - known
        assert line.endswith(f" {lacking} hour{'' if lacking == 1 else 's'} {what}." if lacking else ".")
    series = render_series(tree, words)
    assert sum(int(books) for books in series) == (figures["total"]["books_sold"] if series else 0)


def render_series(tree: Any, words: Callable[[Any], str]) -> list[str]:
    """The books sold in each row of the series' table that has them."""
    tables = [table for table in tree.iter("table") if words(next(table.iter("th"))) in ("Hour", "Day")]
    found = []
    for table in tables:
        place = [words(cell) for cell in table.iter("th")].index("Books")
        for row in table.find("tbody"):
            cells = [words(cell) for cell in row]
            found += cells[place : place + 1] if "not loaded" not in cells else []
    return found
