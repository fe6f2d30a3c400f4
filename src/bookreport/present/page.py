"""The report as one HTML page: charts by Vega-Lite, text by Jinja2, no scripts and nothing to fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from bookreport import __version__
from bookreport.calendars import Calendar, Period, Step, Unit
from bookreport.errors import Configuration
from bookreport.hours import Span
from bookreport.present.charts import Value, bars, line, svg
from bookreport.present.report import (
    catalogue_line,
    coverage_line,
    given_up_lines,
    not_comparable,
    of_users,
    report_json,
    value_before,
    with_before,
)
from bookreport.present.words import counted, named, signed, thousands, unusual_in_words

if TYPE_CHECKING:
    from bookreport.reports import Point, Report, Sale

MOST_PANELS, MOST_BARS = 30, 8
"""Formats with their own chart, and languages with a bar in it; the table has the rest."""

LONGEST_NAME = 60
"""Characters shown of a format or language; the JSON in the page has all of them."""


@dataclass(frozen=True)
class Figure:
    """One of the headline figures."""

    name: str
    figure: str
    detail: str
    change: str


@dataclass(frozen=True)
class Chart:
    """A drawn chart; `says` describes it in words, for those who can't see it."""

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
            f"--format html needs {error.name}, which is not installed",
            hint="run: pip install 'WHEEL[html]'; WHEEL is the path of bookreport's wheel",
        ) from error
    del jinja2, vl_convert


def report_page(report: Report) -> str:
    """Return the report as a self-contained HTML page. Raises Configuration if the extra `html` is not installed."""
    require_libraries()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bookreport"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    calendar = report.calendar
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    environment.filters |= {"money": thousands, "name": _name, "share": _share}
    return environment.get_template("report.html").render(
        report=report,
        span=span_in_words(report.span, calendar),
        zone=calendar.name,
        coverage=coverage_line(report),
        gaps=[_short(gap, calendar) for gap in Span.runs(report.without_sales)],
        given_up=given_up_lines(report),
        unusual=unusual_in_words(report.unusual),
        catalogue=catalogue_line(report),
        figures=_figures(report),
        no_comparison=not_comparable(report),
        panels=_panels(report.sales),
        formats_left_out=max(0, len({sale.format for sale in report.sales}) - MOST_PANELS),
        lines=list(_lines(report)),
        by=report.by,
        series=with_before(report),
        series_before=_preceding(report.previous) if report.previous and report.previous.by else "",
        value_before=value_before,
        time_of=lambda point: _time(point.step, report),
        document=report_json(report),
        version=__version__,
    )


def span_in_words(span: Span, calendar: Calendar) -> str:
    """Return a span as a person would say it."""
    period = calendar.whole(span)
    if period is not None and period.unit is not Unit.DAY:
        return _period(period)
    words = _in_words(span, calendar, _day)
    if period is None:
        return f"{words} ({counted(len(span), 'hour')})"
    return words if period.number == 1 else f"{words}, {counted(period.number, 'day')}"


def _in_words(span: Span, calendar: Calendar, day: Callable[[date], str]) -> str:
    period = calendar.whole(span)
    if period is not None:
        last = period.end - timedelta(days=1)
        return day(period.first) if last == period.first else f"{day(period.first)} to {day(last)}"
    since, until = calendar.local(span.since), calendar.local(span.until)
    if until.date() == since.date():
        return f"{day(since)}, {since:%H:%M} to {until:%H:%M}"
    if until.date() == since.date() + timedelta(days=1) and not until.hour:
        return f"{day(since)}, {since:%H:%M} to 24:00"
    return f"{day(since)}, {since:%H:%M}, to {day(until)}, {until:%H:%M}"


def _period(period: Period) -> str:
    return f"{period.first:%Y}" if period.unit is Unit.YEAR else f"{period.first:%B %Y}"


def _day(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _name(name: str | None) -> str:
    whole = named(name)
    return whole if len(whole) <= LONGEST_NAME else f"{whole[: LONGEST_NAME - 1]}…"


def _share(part: Decimal | int, whole: Decimal | int, decimals: int = 1) -> str:
    return f"{100 * part / whole:.{decimals}f}%" if whole else "n/a"


def _figures(report: Report) -> Iterator[Figure]:
    before, change, buyers = report.previous, report.change, report.buyers[0]
    to_compare = _preceding(before) if before else ""
    yield Figure(
        "Books sold",
        f"{report.books_sold:,}",
        "all formats and languages",
        f"{signed(change.books_sold_percent, '%')} on {to_compare} ({before.books_sold:,})" if change and before else "",
    )
    yield Figure(
        "Sale value",
        thousands(report.sale_value),
        "all formats and languages",
        f"{signed(change.sale_value_percent, '%')} on {to_compare} ({thousands(before.sale_value)})"
        if change and before
        else "",
    )
    yield Figure(
        f"Users who bought in {_name(buyers.language)}",
        "n/a" if buyers.percent is None else f"{buyers.percent}%",
        of_users(report, buyers),
        f"{signed(change.points, ' points')} on {to_compare} ({before.buyers[0].percent}%)"
        if change and before and change.points is not None
        else "",
    )


def _preceding(before: Report) -> str:
    period = before.calendar.whole(before.span)
    if period is not None and period.unit is not Unit.DAY:
        return _period(period)
    number, unit = (len(before.span), "hour") if period is None else (period.number, "day")
    return f"the {unit if number == 1 else f'{number} {unit}s'} before"


def _panels(sales: Sequence[Sale]) -> Iterator[Chart]:
    """Yield a chart for each format, best-selling first, all on one scale."""
    longest = max((sale.books_sold for sale in sales), default=0)
    by_format = [list(of) for _, of in groupby(sorted(sales, key=lambda sale: (sale.format is None, sale.format)), _format)]
    for of in sorted(by_format, key=lambda of: -sum(sale.books_sold for sale in of))[:MOST_PANELS]:
        of.sort(key=lambda sale: -sale.books_sold)
        shown, rest = of[:MOST_BARS], of[MOST_BARS:]
        told = ", ".join(f"{_name(sale.language)} {sale.books_sold:,}" for sale in shown)
        title = _name(of[0].format)
        yield Chart(
            title,
            svg(bars(shown, longest)),
            f"Bars: books sold as {title}, by language: {told}.",
            f"and {counted(len(rest), 'language')} more in the table" if rest else "",
        )


_format = attrgetter("format")


def _lines(report: Report) -> Iterator[Chart]:
    """Yield the charts of sale value and share of buyers in time."""
    if report.by is None or len(report.series) < 2:
        return
    by, language = report.by, _name(report.buyers[0].language)
    pairs = with_before(report)
    values, percents = [_sale_value(point) for point in report.series], [_percent(point) for point in report.series]
    values_before = [None if before is None else _sale_value(before) for _, before in pairs]
    percents_before = [None if before is None else _percent(before) for _, before in pairs]

    def told(subject: str, values: Sequence[Value], state: str, show: Callable[[Any], str]) -> str:
        words = f"Line: {subject} by {by}."
        known = [value for value in values if value.figure is not None and value.is_whole]
        if known:
            ends = [choose(known, key=attrgetter("figure")) for choose in (min, max)]
            lowest, highest = (f"{show(value.figure)} ({_time(value.step, report)})" for value in ends)
            words += f" Lowest {lowest}, highest {highest}."
        missing = sum(len(value.step.span) - value.hours for value in values)
        return f"{words} {counted(missing, 'hour')} {state}." if missing else words

    yield Chart(
        f"Sale value by {by}",
        svg(line(values, values_before, by, report.calendar)),
        told("sale value", values, "not loaded", thousands),
    )
    if not report.buyers[0].in_catalogue:
        return
    state = "without users" if report.sums_kept else "not loaded"
    yield Chart(
        f"Users who bought in {language}, as a percentage of the {by}'s users",
        svg(line(percents, percents_before, by, report.calendar)),
        told(f"percentage of users who bought in {language}", percents, state, str),
    )


def _sale_value(point: Point) -> Value:
    return Value(point.step, point.hours_with_sales, point.sale_value if point.hours_with_sales else None)


def _percent(point: Point) -> Value:
    return Value(point.step, point.hours_loaded, point.buyers.percent)


def _time(step: Step, report: Report) -> str:
    """Return which step it is, such as `Thu 8 Dec, 05:00`, `Thu 8 Dec`, `Mon 5 Dec to Sun 11 Dec`, `December 2022`."""
    since = report.calendar.local(step.span.since)
    if report.by is Unit.HOUR:
        # When clocks go back, they show an hour twice.
        return f"{_short_day(since)}, {since:%H:%M}{' again' if since.fold else ''}"
    return f"{since:%B %Y}" if report.by is Unit.MONTH and step.is_whole else _short(step.span, report.calendar)


def _short(span: Span, calendar: Calendar) -> str:
    """Return a short form of a span, such as `Thu 8 Dec` or `Thu 8 Dec, 05:00 to 07:00`."""
    return _in_words(span, calendar, _short_day)


def _short_day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
