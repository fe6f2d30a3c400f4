"""The report as one HTML page: charts by Vega-Lite, text by Jinja2, nothing that runs and nothing that is fetched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any
from unicodedata import east_asian_width

from bookreport import __version__
from bookreport.errors import Configuration
from bookreport.hours import ONE_HOUR, Span
from bookreport.render import (
    catalogue_line,
    counted,
    coverage_line,
    given_up_lines,
    money,
    named,
    not_comparable,
    of_users,
    report_json,
    signed,
)
from bookreport.reports import Point, Report, Sale

MOST_PANELS, MOST_BARS = 30, 8
"""Formats with a chart of their own, and languages with a bar in it; whatever is left out is in the table."""

LONGEST_NAME, LABEL_ROOM = 60, 11
"""Characters that are shown of a format or language, and those beside a bar; the JSON in the page has all of them."""

TEXT, MUTED, BAR, GAP, GRID = "#1b1f24", "#57606a", "#1f5fa8", "#f3dcc4", "#d0d7de"
"""Colours of a chart by itself; the page's style sheet sets its own, for light and dark."""

CONFIG = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "text": {"color": TEXT, "fontSize": 12},
    "axis": {"labelColor": MUTED, "labelFontSize": 12, "domain": False, "ticks": False, "gridColor": GRID, "title": None},
    "view": {"stroke": None},
}


@dataclass(frozen=True)
class Figure:
    """One of the headline figures."""

    name: str
    figure: str
    detail: str
    change: str


@dataclass(frozen=True)
class Chart:
    """A drawn chart; `says` is what it shows in words, for those who don't see it."""

    title: str
    svg: Any
    says: str
    rest: str = ""


def require_libraries() -> None:
    """Raise Configuration unless the extra `html` is installed."""
    try:
        import jinja2
        import vl_convert
    except ImportError as error:
        raise Configuration(
            f"the page needs {error.name}, which is not installed", hint="install it: pip install 'bookreport[html]'"
        ) from error
    del jinja2, vl_convert


def report_page(report: Report) -> str:
    """Return the report as a self-contained HTML page. Raises Configuration when the extra `html` is not installed."""
    require_libraries()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bookreport"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    environment.filters |= {"money": _money, "name": _name, "share": _share}
    return environment.get_template("report.html").render(
        report=report,
        span=span_in_words(report.span),
        coverage=coverage_line(report),
        gaps=[_short(gap) for gap in Span.runs(report.without_sales)],
        given_up=given_up_lines(report),
        catalogue=catalogue_line(report),
        figures=_figures(report),
        no_comparison=not_comparable(report),
        panels=_panels(report.sales),
        formats_left_out=max(0, len({sale.format for sale in report.sales}) - MOST_PANELS),
        lines=_lines(report) if len(report.series) > 1 else [],
        by_day=_by_day(report.series),
        time_of=lambda point: _time(point.span, by_day=_by_day(report.series)),
        document=report_json(report),
        version=__version__,
    )


def span_in_words(span: Span) -> str:
    """Return a span as a person says it."""
    since, until = span.since.start, span.until.start
    if since.hour == until.hour == 0:
        last = until - timedelta(days=1)
        return _day(since) if last == since else f"{_day(since)} to {_day(last)}, {counted(len(span) // 24, 'day')}"
    length = counted(len(span), "hour")
    last = until - ONE_HOUR
    if last.date() == since.date():
        return f"{_day(since)}, {since:%H:%M} to {last.hour + 1:02}:00 ({length})"
    return f"{_day(since)}, {since:%H:%M}, to {_day(until)}, {until:%H:%M} ({length})"


def _day(instant: datetime) -> str:
    return f"{instant:%A} {instant.day} {instant:%B %Y}"


def _name(name: str | None) -> str:
    whole = named(name)
    return whole if len(whole) <= LONGEST_NAME else f"{whole[: LONGEST_NAME - 1]}…"


def _label(name: str | None) -> str:
    """Return as much of a name as there is room for beside a bar, by estimate.

    It is not left to Vega to cut: it would cut a character beyond U+FFFF in two, and fail.
    """
    whole, room, kept = named(name), float(LABEL_ROOM), ""
    for character in whole:
        room -= 2 if east_asian_width(character) in "WF" else 1.3 if character.isupper() else 1
        if room < 0:
            return f"{kept}…"
        kept += character
    return whole


def _money(amount: Decimal) -> str:
    return f"{Decimal(money(amount)):,}"


def _share(part: Decimal | int, whole: Decimal | int, decimals: int = 1) -> str:
    return f"{100 * part / whole:.{decimals}f}%" if whole else "n/a"


def _figures(report: Report) -> Iterator[Figure]:
    before, change, buyers = report.previous, report.change, report.buyers[0]
    length = _length(report.span)
    yield Figure(
        "Books sold",
        f"{report.books_sold:,}",
        "all formats and languages",
        f"{signed(change.books_sold_percent, '%')} on the {length} before ({before.books_sold:,})" if change and before else "",
    )
    yield Figure(
        "Sale value",
        _money(report.sale_value),
        "all formats and languages",
        f"{signed(change.sale_value_percent, '%')} on the {length} before ({_money(before.sale_value)})"
        if change and before
        else "",
    )
    yield Figure(
        f"Users who bought in {_name(buyers.language)}",
        "n/a" if buyers.percent is None else f"{buyers.percent}%",
        of_users(report, buyers),
        f"{signed(change.points, ' points')} on the {length} before ({before.buyers[0].percent}%)"
        if change and before and change.points is not None
        else "",
    )


def _length(span: Span) -> str:
    days, hours = divmod(len(span), 24)
    number, unit = (len(span), "hour") if hours else (days, "day")
    return unit if number == 1 else f"{number} {unit}s"


def _panels(sales: Sequence[Sale]) -> Iterator[Chart]:
    """Give a chart for each format, the best-selling first; one scale for all of them."""
    longest = max((sale.books_sold for sale in sales), default=0)
    by_format = [list(of) for _, of in groupby(sorted(sales, key=lambda sale: (sale.format is None, sale.format)), _format)]
    for of in sorted(by_format, key=lambda of: -sum(sale.books_sold for sale in of))[:MOST_PANELS]:
        of.sort(key=lambda sale: -sale.books_sold)
        shown, rest = of[:MOST_BARS], of[MOST_BARS:]
        told = ", ".join(f"{_name(sale.language)} {sale.books_sold:,}" for sale in shown)
        title = _name(of[0].format)
        yield Chart(
            title,
            _svg(_bars(shown, longest)),
            f"Bars: books sold as {title}, by language: {told}.",
            f"and {counted(len(rest), 'language')} more in the table" if rest else "",
        )


_format = attrgetter("format")


def _bars(sales: Sequence[Sale], longest: int) -> dict[str, Any]:
    """Return the Vega-Lite specification of sorted bars, labelled on the left, with their numbers at their ends."""
    labels, width, row = 82, 146, 24
    rows = [
        {"place": place, "name": _label(sale.language), "books": sale.books_sold, "number": f"{sale.books_sold:,}"}
        for place, sale in enumerate(sales)
    ]
    place = {
        "field": "place",
        "type": "ordinal",
        "axis": None,
        "scale": {"paddingInner": 0.35, "paddingOuter": 0.2, "round": True},
    }
    # Two fifths of the width are kept for the number at the end of the longest bar.
    books = {
        "field": "books",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, longest * 1.7 or 1], "nice": False, "round": True},
    }
    return {
        "width": width,
        "height": len(rows) * row,
        "autosize": "none",
        "padding": {"left": labels, "right": 0, "top": 0, "bottom": 0},
        "data": {"values": rows},
        "encoding": {"y": place},
        "layer": [
            {"name": "bar", "mark": {"type": "bar", "color": BAR}, "encoding": {"x": books}},
            {
                "name": "number",
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"x": books, "text": {"field": "number"}},
            },
            {
                "name": "label",
                "mark": {"type": "text", "align": "right", "dx": -8},
                "encoding": {"x": {"value": 0}, "text": {"field": "name"}},
            },
        ],
        "config": CONFIG,
    }


def _lines(report: Report) -> Iterator[Chart]:
    """Give the charts of sale value and share of buyers by hour or day."""
    series, by_day = report.series, _by_day(report.series)
    step, language = "day" if by_day else "hour", _name(report.buyers[0].language)
    values = [
        _Known(point.span, point.hours_with_sales, point.sale_value if point.hours_with_sales else None, by_day)
        for point in series
    ]
    percents = [_Known(point.span, point.hours_loaded, point.buyers.percent, by_day) for point in series]
    yield Chart(
        f"Sale value by {step}",
        _svg(_line(values, by_day=by_day)),
        _in_words(f"Line: sale value by {step}", values, "not loaded", show=_money),
    )
    if not report.buyers[0].in_catalogue:
        return
    state = "without users" if report.sums_kept else "not loaded"
    yield Chart(
        f"Users who bought in {language}, percent of the {step}'s users",
        _svg(_line(percents, by_day=by_day)),
        _in_words(f"Line: percentage of users who bought in {language} by {step}", percents, state, show=str),
    )


@dataclass(frozen=True)
class _Known:
    """What a line shows of one hour or day: a figure that so many of its hours are in; None of none."""

    span: Span
    hours: int
    figure: Decimal | None
    by_day: bool

    @property
    def has_gap(self) -> bool:
        return self.hours < len(self.span)

    @property
    def is_whole(self) -> bool:
        return not self.has_gap and len(self.span) == (24 if self.by_day else 1)

    @property
    def time(self) -> str:
        return _time(self.span, by_day=self.by_day)


def _line(series: Sequence[_Known], *, by_day: bool) -> dict[str, Any]:
    """Return the Vega-Lite specification of a line that breaks where hours are not in it, and of bands that show these.

    What stands for a part of a day alone is a hollow point and no part of the line.
    """
    rows = []
    for each in series:
        since, until = _milliseconds(each.span.since.start), _milliseconds(each.span.until.start)
        figure = None if each.figure is None else float(each.figure)
        rows.append(
            {
                "since": since,
                "until": until,
                "middle": (since + until) / 2,
                "whole": figure if each.is_whole else None,
                "part": None if each.is_whole else figure,
                "gap": each.has_gap,
            }
        )
    ends = [rows[0]["since"], rows[-1]["until"]]
    midnight = "utcFormat(datum.value, '%-d %b')"
    clock = f"utchours(datum.value) ? utcFormat(datum.value, '%H:%M') : {midnight}"
    ticks = [_milliseconds(instant) for instant in _ticks(series, by_day=by_day)]
    time = {
        "type": "temporal",
        "scale": {"type": "utc", "domain": ends, "nice": False},
        "axis": {
            "labelExpr": midnight if by_day else clock,
            "grid": False,
            "values": ticks,
            "labelPadding": 6,
            "labelFlush": False,
        },
    }
    height = {"type": "quantitative", "scale": {"zero": True}, "axis": {"tickCount": 4, "format": ",~f"}}
    broken = {"type": "line", "color": BAR, "strokeWidth": 2, "invalid": "break-paths-show-path-domains"}
    dot = {"type": "point", "size": 14, "invalid": "filter"}
    return {
        "width": 400,
        "height": 180,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 0, "right": 20, "top": 8, "bottom": 0},
        "data": {"values": rows},
        "layer": [
            {
                "name": "gap",
                "transform": [{"filter": "datum.gap"}],
                "mark": {"type": "rect", "color": GAP},
                "encoding": {"x": time | {"field": "since"}, "x2": {"field": "until"}},
            },
            {
                "name": "line",
                "mark": broken,
                "encoding": {"x": time | {"field": "middle"}, "y": height | {"field": "whole"}},
            },
            {
                "name": "dot",
                "mark": dot | {"filled": True, "color": BAR},
                "encoding": {"x": time | {"field": "middle"}, "y": height | {"field": "whole"}},
            },
            {
                "name": "part",
                "mark": dot | {"filled": False, "color": BAR, "size": 30},
                "encoding": {"x": time | {"field": "middle"}, "y": height | {"field": "part"}},
            },
        ],
        "config": CONFIG,
    }


def _ticks(series: Sequence[_Known], *, by_day: bool) -> list[datetime]:
    """Return the days, or the round hours, that are written below a line: seven at the most."""
    if by_day:
        days = [point.span.since.start for point in series if point.span.since.start.hour == 0]
        return days[:: math.ceil(len(days) / 7)]
    every = next(hours for hours in (1, 2, 3, 6, 12, 24) if len(series) <= 7 * hours)
    return [point.span.since.start for point in series if point.span.since.start.hour % every == 0]


def _in_words(subject: str, series: Sequence[_Known], state: str, *, show: Any) -> str:
    known = [(each.figure, each.time) for each in series if each.figure is not None and each.is_whole]
    words = f"{subject}."
    if known:
        lowest, highest = (choose(known, key=lambda pair: pair[0]) for choose in (min, max))
        words += f" Lowest {show(lowest[0])} ({lowest[1]}), highest {show(highest[0])} ({highest[1]})."
    missing = sum(len(each.span) - each.hours for each in series)
    return f"{words} {counted(missing, 'hour')} {state}." if missing else words


def _by_day(series: Iterable[Point]) -> bool:
    return any(len(point.span) > 1 for point in series)


def _time(span: Span, *, by_day: bool) -> str:
    return _short(span) if by_day else f"{_short_day(span.since.start)}, {span.since.start:%H:%M}"


def _short(span: Span) -> str:
    """Return a span in few words, as `Thu 8 Dec` or `Thu 8 Dec, 05:00 to 07:00`."""
    since, until = span.since.start, span.until.start
    last = until - ONE_HOUR
    if since.hour == until.hour == 0:
        return _short_day(since) if last.date() == since.date() else f"{_short_day(since)} to {_short_day(last)}"
    if last.date() == since.date():
        return f"{_short_day(since)}, {since:%H:%M} to {last.hour + 1:02}:00"
    return f"{_short_day(since)}, {since:%H:%M}, to {_short_day(until)}, {until:%H:%M}"


def _short_day(instant: datetime) -> str:
    return f"{instant:%a} {instant.day} {instant:%b}"


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000


def _svg(specification: dict[str, Any]) -> Any:
    """Return the chart drawn as SVG, safe to stand in HTML as it is: the renderer escapes all text."""
    import vl_convert
    from markupsafe import Markup

    drawn = vl_convert.vegalite_to_svg(specification, vl_version="5.20", allowed_base_urls=[])
    tag, _, rest = drawn.partition(">")
    # Within HTML the names of namespaces say nothing, and they look like addresses.
    tag = tag.replace(' xmlns="http://www.w3.org/2000/svg"', "").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    return Markup(f"{tag}>{rest}")  # noqa: S704 - Vega has escaped its texts; a test holds that
