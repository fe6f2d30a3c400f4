import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import documents
from bookreport.calendars import UTC_CALENDAR, Calendar, Unit
from bookreport.catalogue import State
from bookreport.errors import Configuration
from bookreport.hours import Hour, Span
from bookreport.present import page
from bookreport.present.report import report_json
from bookreport.reports import Buyers, Point, Report, Sale, Unmatched

HOUR = Hour.parse("2024-05-01T13")
SVG = "{http://www.w3.org/2000/svg}svg"
HOSTILE = (
    "<script>document.title='ran'</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<!--",
    "]]>",
    "{{ 7 * 7 }}",
    "&lt;b&gt;",
    "\x1b[31mred\x07",
    "עברית \u202eesrever",
    "عربي",
    "",
    None,
    "W" * 300,
    "many words " * 40,
    "http://example.com/?a=1&b=2",
    "\\u003cscript\\u003e",
    "👩‍👩‍👧" * 20,
    "漢字" * 20,
)


def point(hour: Hour, value: str | None, *, length: int = 1, loaded: int | None = None) -> Point:
    known = value is not None
    hours = (length if loaded is None else loaded) if known else 0
    span = Span(hour, hour + length)
    [step] = UTC_CALENDAR.steps(span, Unit.DAY if length == 24 else Unit.HOUR)
    return Point(
        step,
        hours,
        hours,
        7 if known else 0,
        Decimal(value or 0),
        Buyers("Spanish", 2 if known else 0, 9 if known else 0),
    )


REPORT = Report(
    span=Span(HOUR, HOUR + 3),
    generated_at=datetime(2024, 5, 2, 8, 30, 1, tzinfo=UTC),
    missing=(HOUR + 1,),
    sales=(
        Sale("Hardcover", "English", 1200, Decimal("12345.6")),
        Sale("Hardcover", "Spanish", 15, Decimal(140)),
        Sale("Paperback", None, 1, Decimal("0.125")),
        Sale(None, "Spanish", 2, Decimal(7)),
    ),
    unmatched=Unmatched(3, Decimal("9.99"), 2),
    buyers=(Buyers("Spanish", 141, 812), Buyers("Latin", 0, 812)),
    loaded_rows=9996,
    rejected_rows=4,
    catalogue=State(datetime(2024, 5, 1, 6, 5, 4, tzinfo=UTC), is_current=True, languages=("English",), may_refresh=True),
    series=(point(HOUR, "10.5"), point(HOUR + 1, None), point(HOUR + 2, "30")),
    by=Unit.HOUR,
)
PREVIOUS = replace(REPORT, span=Span(HOUR + -3, HOUR), missing=(), sales=REPORT.sales[:1], by=None, series=())
COMPLETE = replace(REPORT, missing=(), previous=PREVIOUS)


def parsed(text: str) -> Element:
    """The page as a tree; html5lib raises for whatever is no valid HTML."""
    tree: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    return tree


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def rows(table: Element) -> Iterator[list[str]]:
    for row in table.iter("tr"):
        yield [words(cell) for cell in row]


def document(tree: Element) -> Any:
    (script,) = (element for element in tree.iter("script"))
    assert script.get("type") == "application/json"
    return documents.read(script.text or "")


def all_hostile() -> Report:
    sales = [Sale(one, other, 5 + number, Decimal(number)) for number, one in enumerate(HOSTILE) for other in HOSTILE]
    return replace(REPORT, sales=tuple(sales), buyers=(Buyers(HOSTILE[0] or "", 1, 2),))


def test_the_figures_on_the_page_are_those_of_the_json() -> None:
    tree = parsed(page.report_page(COMPLETE))
    told = report_json(COMPLETE)
    assert document(tree) == json.loads(json.dumps(told))
    assert [words(each) for each in tree.iter("p") if each.get("class") == "number"] == ["1,221", "12,502.715", "17.36%"]
    assert "141 of 812 users" in words(tree)
    header, *sales, unmatched, total = rows(next(tree.iter("table")))
    assert header == ["Format", "Language", "Books", "Value", "Share of value"]
    assert sales == [
        ["Hardcover", "English", "1,200", "12,345.60", "98.7%"],
        ["Hardcover", "Spanish", "15", "140.00", "1.1%"],
        ["Paperback", "(none)", "1", "0.125", "0.0%"],
        ["(none)", "Spanish", "2", "7.00", "0.1%"],
    ]
    assert unmatched == ["Not in the catalogue", "3", "9.99", "0.1%"]
    assert total == ["Total", "1,221", "12,502.715", "100.0%"]


def test_missing_hours_are_told_above_all_figures_and_leave_no_comparison() -> None:
    text = page.report_page(replace(COMPLETE, missing=REPORT.missing))
    (banner,) = (words(each) for each in parsed(text).iter("p") if each.get("class") == "banner")
    assert banner == (
        "2 of 3 hours are loaded. The totals are too low: they lack 1 hour. Not loaded: Wed 1 May, 14:00 to 15:00."
    )
    assert text.index('class="banner"') < text.index('class="figures"')
    assert "No comparison with the preceding span: 1 hour of this span is not loaded." in text
    assert 'class="change"' not in text


def test_the_banner_tells_which_hours_were_given_up_or_pruned() -> None:
    first, second = REPORT.span.since, REPORT.span.since + 1
    made = replace(REPORT, missing=(first, second), skipped=(first,), pruned=(second,), sums_kept=(second,))
    (banner,) = (words(each) for each in parsed(page.report_page(made)).iter("p") if each.get("class") == "banner")
    assert f"Skipped (given up): {first}." in banner
    assert banner.startswith("Sales: 2 of 3 hours; users: 1 of 3 (1 was pruned, its sums kept).")
    assert "The totals are too low: they lack 1 hour. Not loaded: Wed 1 May, 13:00 to 14:00." in banner
    assert f"Pruned, their sums kept: {second}." in banner


def test_a_complete_span_has_no_banner_and_is_compared_with_the_span_before() -> None:
    text = page.report_page(COMPLETE)
    assert 'class="banner"' not in text
    changes = [words(each) for each in parsed(text).iter("p") if each.get("class") == "change"]
    assert changes == [
        "+1.5% on the 3 hours before (1,203)",
        "+1.2% on the 3 hours before (12,355.59)",
        "0.00 points on the 3 hours before (17.36%)",
    ]


def test_what_was_rejected_and_what_matches_no_book_is_told_with_its_size_and_only_then() -> None:
    text = words(parsed(page.report_page(REPORT)))
    assert "3 books worth 9.99 (0.1% of the sale value) were sold under 2 ISBNs" in text
    assert "4 of 10,000 records (0.040%) could not be read" in text
    clean = page.report_page(replace(REPORT, unmatched=Unmatched(0, Decimal(0), 0), rejected_rows=0))
    assert "To look into" not in clean
    assert "Not in the catalogue" not in clean


def test_the_page_runs_nothing_and_names_no_address() -> None:
    for report in (REPORT, COMPLETE):
        text = page.report_page(report)
        assert re.findall(r"https?:|//|url\(|@import|javascript:", text) == []
        tree = parsed(text)
        assert [element.get("type") for element in tree.iter("script")] == ["application/json"]
        attributes = {name for element in tree.iter() for name in element.attrib}
        assert {name for name in attributes if name.startswith("on") or name in {"src", "href", "srcset", "action"}} == set()
        assert {"link", "img", "iframe", "object", "embed", "base", "form"} & {element.tag for element in tree.iter()} == set()


def test_hostile_names_are_text_and_nothing_else() -> None:
    text = page.report_page(all_hostile())
    tree = parsed(text)
    assert document(tree)["sales"] == report_json(all_hostile())["sales"]
    assert {element.tag for element in tree.iter()} & {"img", "b"} == set()
    assert not any(name.startswith("on") for element in tree.iter() for name in element.attrib)
    shown = {words(cell) for cell in tree.iter("bdi")}
    assert {"<script>document.title='ran'</script>", "{{ 7 * 7 }}", "&lt;b&gt;", "(none)", "(empty)"} <= shown
    assert r"\x1b[31mred\x07" in shown
    assert "\u202e" not in text
    assert max(map(len, shown)) <= page.LONGEST_NAME


@settings(max_examples=25, deadline=None)
@given(st.text(), st.text())
def test_any_name_makes_a_valid_page_that_holds_it(format_: str, language: str) -> None:
    tree = parsed(page.report_page(replace(REPORT, sales=(Sale(format_, language, 1, Decimal(1)),))))
    (sale,) = document(tree)["sales"]
    assert (sale["format"], sale["language"]) == (format_, language)


def charts(text: str, mark: str) -> list[str]:
    return re.findall(rf'{mark}_marks"[^>]*>(.*?)</g>', text)


def test_each_format_has_sorted_bars_on_one_scale_with_their_numbers_printed() -> None:
    sales = tuple(
        Sale(format_, language, books, Decimal(books))
        for format_, language, books in (("A", "x", 10), ("A", "y", 30), ("B", "x", 200), ("B", "y", 50), ("B", "z", 100))
    )
    text = page.report_page(replace(REPORT, sales=sales))
    assert [words(each) for each in parsed(text).iter("figcaption")][:2] == ["B", "A"]
    widths = [[float(width) for width in re.findall(r'd="M0,[\d.]+h([\d.]+)v', bars)] for bars in charts(text, "bar")]
    numbers = [[int(number) for number in re.findall(r">([\d,]+)</text>", each)] for each in charts(text, "number")]
    assert numbers == [[200, 100, 50], [30, 10]]
    scale = widths[0][0] / 200
    assert [[round(width / scale) for width in each] for each in widths] == [
        [pytest.approx(number, abs=2) for number in each] for each in numbers
    ]


def test_every_chart_says_in_words_what_it_shows() -> None:
    tree = parsed(page.report_page(REPORT))
    said = [each.get("aria-label") for each in tree.iter("div") if each.get("role") == "img"]
    assert len(said) == len(list(tree.iter(SVG))) == 5
    assert said[0] == "Bars: books sold as Hardcover, by language: English 1,200, Spanish 15."
    assert said[3] == (
        "Line: sale value by hour. Lowest 10.50 (Wed 1 May, 13:00), highest 30.00 (Wed 1 May, 15:00). 1 hour not loaded."
    )


def strokes(text: str) -> list[int]:
    """How many points each unbroken piece of the first line has."""
    path = re.findall(r'line_marks"[^>]*><path[^>]* d="([^"]*)"', text)[0]
    return [piece.count(",") for piece in path.split("M")[1:]]


def test_a_line_breaks_at_hours_that_are_not_loaded_and_at_no_others() -> None:
    series = [point(HOUR + number, None if number in {4, 5, 9} else "0") for number in range(12)]
    text = page.report_page(replace(REPORT, series=tuple(series)))
    assert strokes(text) == [4, 3, 2]
    assert len(re.findall("<path", charts(text, "gap")[0])) == 3


def test_a_day_that_is_loaded_in_part_is_a_hollow_point_and_no_part_of_the_line() -> None:
    since = Hour.parse("2024-05-01T00")
    series = [point(since + 24 * day, "5", length=24, loaded=20 if day == 3 else 24) for day in range(7)]
    text = page.report_page(replace(REPORT, series=tuple(series), by=Unit.DAY))
    assert strokes(text) == [3, 3]
    assert len(re.findall("<path", charts(text, "part")[0])) == 1
    assert "Day by day" in text
    assert ["Sat 4 May", "20 of 24", "7", "5.00", "2", "9", "22.22%"] in list(rows(list(parsed(text).iter("table"))[-1]))


def test_a_line_has_that_of_the_preceding_span_beside_it_in_the_same_places() -> None:
    now, before = (
        tuple(point(HOUR + number, value) for number, value in enumerate(values))
        for values in (("1", "2", "3", "4", "5"), ("100", None, "300"))
    )
    span = Span(HOUR + -3, HOUR)
    text = page.report_page(replace(COMPLETE, series=now, previous=replace(PREVIOUS, span=span, by=Unit.HOUR, series=before)))
    xs = [
        re.findall(r"[ML]([\d.]+),", path) for path in re.findall(r'(?:before|line)_marks"[^>]*><path[^>]* d="([^"]*)"', text)
    ]
    assert xs[0] == [xs[1][0], xs[1][2]]
    assert "Dashed: the 3 hours before." in text
    table = list(rows(list(parsed(text).iter("table"))[-1]))
    assert [row[-1] for row in table] == ["Value, the 3 hours before", "100.00", "n/a", "300.00", "n/a", "n/a"]
    # The scale has room for both.
    assert ">300</text>" in text


def test_a_single_hour_has_no_line() -> None:
    text = page.report_page(replace(REPORT, span=Span.of_hour(HOUR), series=REPORT.series[:1], missing=()))
    assert "Hour by hour" not in text


def test_an_hour_without_users_and_sales_is_a_page_too() -> None:
    nothing = Unmatched(0, Decimal(0), 0)
    empty = replace(REPORT, sales=(), unmatched=nothing, buyers=(Buyers("Spanish", 0, 0),), series=(), missing=())
    tree = parsed(page.report_page(replace(empty, previous=empty)))
    assert [words(each) for each in tree.iter("p") if each.get("class") == "number"] == ["0", "0.00", "n/a"]


def test_a_language_that_no_book_has_is_told_in_place_of_its_percentage() -> None:
    nobody = Buyers("Spanish", 0, 812, in_catalogue=False)
    books = replace(REPORT.catalogue, languages=("es", "English"))
    text = page.report_page(replace(REPORT, buyers=(nobody,), catalogue=books))
    tree = parsed(text)
    assert [words(each) for each in tree.iter("p") if each.get("class") == "number"][2] == "n/a"
    assert "no book in the catalogue is in Spanish; its languages are English, es" in " ".join(tree.itertext())
    assert len(charts(text, "line")) == 1


@pytest.mark.parametrize(
    ("since", "until", "zone", "said"),
    [
        ("2024-05-01T13", "2024-05-01T14", "UTC", "Wednesday 1 May 2024, 13:00 to 14:00 (1 hour)"),
        ("2024-05-01T23", "2024-05-02T00", "UTC", "Wednesday 1 May 2024, 23:00 to 24:00 (1 hour)"),
        ("2024-05-01T00", "2024-05-02T00", "UTC", "Wednesday 1 May 2024"),
        ("2024-05-01T00", "2024-05-31T00", "UTC", "Wednesday 1 May 2024 to Thursday 30 May 2024, 30 days"),
        ("2024-05-01T00", "2024-06-01T00", "UTC", "May 2024"),
        ("2024-01-01T00", "2025-01-01T00", "UTC", "2024"),
        ("2024-04-30T23", "2024-05-01T23", "UTC", "Tuesday 30 April 2024, 23:00, to Wednesday 1 May 2024, 23:00 (24 hours)"),
        ("2024-04-30T22", "2024-05-01T22", "Europe/Madrid", "Wednesday 1 May 2024"),
        ("2024-04-30T22", "2024-05-31T22", "Europe/Madrid", "May 2024"),
        ("2024-03-31T00", "2024-03-31T03", "Europe/Madrid", "Sunday 31 March 2024, 01:00 to 05:00 (3 hours)"),
        ("2024-05-01T21", "2024-05-01T22", "Europe/Madrid", "Wednesday 1 May 2024, 23:00 to 24:00 (1 hour)"),
        (
            "2024-05-01T00",
            "2024-05-02T00",
            "Asia/Kolkata",
            "Wednesday 1 May 2024, 05:30, to Thursday 2 May 2024, 05:30 (24 hours)",
        ),
    ],
)
def test_a_span_is_said_in_words(since: str, until: str, zone: str, said: str) -> None:
    assert page.span_in_words(Span(Hour.parse(since), Hour.parse(until)), Calendar.of(zone)) == said


@pytest.mark.parametrize("missing", ["jinja2", "vl_convert"])
def test_without_the_extra_the_page_is_a_configuration_error_with_a_hint(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Configuration, match=missing) as raised:
        page.report_page(REPORT)
    assert "WHEEL[html]" in (raised.value.hint or "")


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_4_5_for_text_and_3_for_shapes_in_light_dark_and_print() -> None:
    style = resources.files("bookreport").joinpath("templates", "report.css").read_text(encoding="utf-8")
    palettes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len(palettes) == 3
    for colours in palettes:
        for ground in ("page", "card", "banner"):
            assert contrast(colours["text"], colours[ground]) >= 4.5
        for ground in ("page", "card"):
            assert contrast(colours["muted"], colours[ground]) >= 4.5
        for ground in ("page", "gap"):
            assert contrast(colours["bar"], colours[ground]) >= 3
        assert contrast(colours["banner-edge"], colours["page"]) >= 3
