"""The report as one HTML page: charts by Vega-Lite, text by Jinja2, no scripts and nothing to fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from bookreport import __version__
from bookreport.errors import Configuration
from bookreport.hours import ONE_HOUR, Span
from bookreport.present.charts import Step, bars, line, svg
from bookreport.present.report import catalogue_line, coverage_line, given_up_lines, not_comparable, of_users, report_json
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
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False, "separators": (",", ":")}
    environment.filters |= {"money": thousands, "name": _name, "share": _share}
    return environment.get_template("report.html").render(
        report=report,
        span=span_in_words(report.span),
        coverage=coverage_line(report),
        gaps=[_short(gap) for gap in Span.runs(report.without_sales)],
        given_up=given_up_lines(report),
        unusual=unusual_in_words(report.unusual),
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
    """Return a span as a person would say it."""
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
        thousands(report.sale_value),
        "all formats and languages",
        f"{signed(change.sale_value_percent, '%')} on the {length} before ({thousands(before.sale_value)})"
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
    """Yield the charts of sale value and share of buyers by hour or day."""
    series, by_day = report.series, _by_day(report.series)
    step, language = "day" if by_day else "hour", _name(report.buyers[0].language)
    values = [
        Step(point.span, point.hours_with_sales, point.sale_value if point.hours_with_sales else None, by_day)
        for point in series
    ]
    percents = [Step(point.span, point.hours_loaded, point.buyers.percent, by_day) for point in series]
    yield Chart(
        f"Sale value by {step}",
        svg(line(values, by_day=by_day)),
        _in_words(f"Line: sale value by {step}", values, "not loaded", show=thousands),
    )
    if not report.buyers[0].in_catalogue:
        return
    state = "without users" if report.sums_kept else "not loaded"
    yield Chart(
        f"Users who bought in {language}, as a percentage of the {step}'s users",
        svg(line(percents, by_day=by_day)),
        _in_words(f"Line: percentage of users who bought in {language} by {step}", percents, state, show=str),
    )


def _in_words(subject: str, steps: Sequence[Step], state: str, *, show: Callable[[Any], str]) -> str:
    def told(step: Step) -> str:
        return f"{show(step.figure)} ({_time(step.span, by_day=step.by_day)})"

    known = [step for step in steps if step.figure is not None and step.is_whole]
    words = f"{subject}."
    if known:
        lowest, highest = (choose(known, key=attrgetter("figure")) for choose in (min, max))
        words += f" Lowest {told(lowest)}, highest {told(highest)}."
    missing = sum(len(step.span) - step.hours for step in steps)
    return f"{words} {counted(missing, 'hour')} {state}." if missing else words


def _by_day(series: Iterable[Point]) -> bool:
    return any(len(point.span) > 1 for point in series)


def _time(span: Span, *, by_day: bool) -> str:
    return _short(span) if by_day else f"{_short_day(span.since.start)}, {span.since.start:%H:%M}"


def _short(span: Span) -> str:
    """Return a short form of a span, such as `Thu 8 Dec` or `Thu 8 Dec, 05:00 to 07:00`."""
    since, until = span.since.start, span.until.start
    last = until - ONE_HOUR
    if since.hour == until.hour == 0:
        return _short_day(since) if last.date() == since.date() else f"{_short_day(since)} to {_short_day(last)}"
    if last.date() == since.date():
        return f"{_short_day(since)}, {since:%H:%M} to {last.hour + 1:02}:00"
    return f"{_short_day(since)}, {since:%H:%M}, to {_short_day(until)}, {until:%H:%M}"


def _short_day(instant: datetime) -> str:
    return f"{instant:%a} {instant.day} {instant:%b}"
