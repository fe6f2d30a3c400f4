"""The report as JSON, CSV, a table or Markdown, and the sentences that it shares with the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from bookreport.hours import hours_in_words
from bookreport.messages import json_text, plain
from bookreport.present.words import (
    as_csv,
    as_number,
    as_table,
    counted,
    instant,
    markdown_cell,
    money,
    named,
    signed,
    thousands,
    unusual_in_words,
    unusual_json,
)

if TYPE_CHECKING:
    from bookreport.reports import Buyers, Change, Point, Report, Sale


_SALES = ("Format", "Language", "Books", "Value", "Share")


def report_json(report: Report) -> dict[str, object]:
    """Return the report as `bookreport.report/1`, with the preceding span and the series if the report has them."""
    document: dict[str, Any] = {
        "schema": "bookreport.report/1",
        "generated_at": instant(report.generated_at),
        **_span_json(report),
        "sales": [_sale_json(sale) for sale in report.sales],
        "unmatched": {
            "books_sold": report.unmatched.books_sold,
            "sale_value": money(report.unmatched.sale_value),
            "isbns": report.unmatched.isbns,
        },
        **_headline_json(report),
        "unknown_languages": list(report.unknown_languages),
        "loaded_rows": report.loaded_rows,
        "rejected_rows": report.rejected_rows,
        "catalogue_as_of": instant(report.catalogue.as_of),
        "catalogue_is_current": report.catalogue.is_current,
    }
    if report.previous:
        change = report.change and _change_json(report.change)
        document["previous"] = {**_span_json(report.previous), **_headline_json(report.previous), "change": change}
        if report.previous.by:
            document["previous"]["series"] = [_point_json(point) for point in report.previous.series]
    if report.by:
        document["by"] = report.by
        document["timezone"] = report.calendar.name
        document["series"] = [_point_json(point) for point in report.series]
    return document


def report_csv(report: Report, *, excel: bool = False) -> str:
    """Return the report as CSV: one header; sections sales, unmatched, total, buyers, those of the preceding span, series.

    With a series, its rows are longer: after the same columns come those that say of which step they are.
    """
    header = ["section", "format", "language", "books_sold", "sale_value", "users", "buyers", "percent"]
    sales = [
        ("sales", sale.format, sale.language, sale.books_sold, money(sale.sale_value), "", "", "") for sale in report.sales
    ]
    unmatched = ("unmatched", "", "", report.unmatched.books_sold, money(report.unmatched.sale_value), "", "", "")
    rows: list[tuple[object, ...]] = [*sales, unmatched, *_headline_rows(report, "")]
    if report.previous:
        rows += _headline_rows(report.previous, "previous_")
    if report.by:
        header += ["step", "since", "until", "whole", "hours_loaded", "hours_with_sales"]
        rows = [(*row, "", "", "", "", "", "") for row in rows]
        rows += [_point_row(point, "series") for point in report.series]
        rows += [_point_row(point, "previous_series") for point in (report.previous.series if report.previous else ())]
    return as_csv(header, rows, texts=(1, 2), excel=excel)


def report_table(report: Report) -> str:
    """Return the report as text for a terminal: sales with their shares, total last, buyers, coverage, series."""
    rows = _sales_rows(report)
    lines = [
        f"Books sold, {_span(report)}",
        "",
        as_table(_SALES, rows, right=range(2, 5), total=True),
        "",
        *_buyers_lines(report),
        *_change_lines(report),
        *_coverage_lines(report),
    ]
    if report.by:
        names = _series_names(report)
        lines += ["", _series_title(report), "", as_table(names, _series_rows(report), right=range(1, len(names)))]
    return "\n".join(lines)


def report_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    *rows, total = _sales_rows(report)
    lines = [
        f"### Books sold, {_span(report)}",
        "",
        *_markdown_table(_SALES, rows, right=range(2, 5)),
        f"| {' | '.join(f'**{markdown_cell(cell)}**' if cell else '' for cell in total)} |",
        "",
        *(f"{markdown_cell(line)}  " for line in [*_buyers_lines(report), *_change_lines(report), *_coverage_lines(report)]),
    ]
    if report.by:
        names = _series_names(report)
        table = _markdown_table(names, _series_rows(report), right=range(1, len(names)))
        lines += ["", f"#### {markdown_cell(_series_title(report))}", "", *table]
    return "\n".join(lines)


def _markdown_table(names: Sequence[str], rows: Iterable[Sequence[str]], *, right: range) -> list[str]:
    line = ["---:" if position in right else "---" for position in range(len(names))]
    return [f"| {' | '.join(row)} |" for row in (names, line, *(map(markdown_cell, row) for row in rows))]


def _span(report: Report) -> str:
    calendar, span = report.calendar, report.span
    return str(span) if calendar.is_utc else f"{calendar.named(span.since)} to {calendar.named(span.until)} {calendar.name}"


def _span_json(report: Report) -> dict[str, object]:
    return {
        "window": {"since": report.span.since.instant, "until": report.span.until.instant},
        "coverage": {
            "hours_expected": report.hours_expected,
            "hours_loaded": report.hours_loaded,
            "hours_with_sales": report.hours_with_sales,
            "hours_before_first": report.before_first,
            "missing": [hour.instant for hour in report.missing],
            "complete": not report.missing,
            "skipped": [hour.instant for hour in report.skipped],
            "pruned": [hour.instant for hour in report.pruned],
            "sums_kept": [hour.instant for hour in report.sums_kept],
            "unusual": unusual_json(report.unusual),
        },
    }


def _sale_json(sale: Sale) -> dict[str, object]:
    return {
        "format": sale.format,
        "language": sale.language,
        "books_sold": sale.books_sold,
        "sale_value": money(sale.sale_value),
    }


def _headline_json(report: Report) -> dict[str, object]:
    return {
        "total": {"books_sold": report.books_sold, "sale_value": money(report.sale_value)},
        "buyers": _buyers_json(report.buyers[0]),
        "buyers_by_language": [_buyers_json(buyers) for buyers in report.buyers],
    }


def _buyers_json(buyers: Buyers) -> dict[str, object]:
    return {
        "language": buyers.language,
        "buyers": buyers.buyers,
        "users": buyers.users,
        "percent": as_number(buyers.percent),
    }


def _change_json(change: Change) -> dict[str, object]:
    return {
        "books_sold": change.books_sold,
        "books_sold_percent": as_number(change.books_sold_percent),
        "sale_value": money(change.sale_value),
        "sale_value_percent": as_number(change.sale_value_percent),
        "percent_points": as_number(change.points),
    }


def _point_json(point: Point) -> dict[str, object]:
    sales_known, users_known = point.hours_with_sales > 0, point.hours_loaded > 0
    return {
        "step": point.step.name,
        "since": point.step.span.since.instant,
        "until": point.step.span.until.instant,
        "whole": point.step.is_whole,
        "hours_loaded": point.hours_loaded,
        "hours_with_sales": point.hours_with_sales,
        "books_sold": point.books_sold if sales_known else None,
        "sale_value": money(point.sale_value) if sales_known else None,
        "buyers": point.buyers.buyers if users_known else None,
        "users": point.buyers.users if users_known else None,
        "percent": as_number(point.buyers.percent),
    }


def _point_row(point: Point, section: str) -> tuple[object, ...]:
    sales = (point.books_sold, money(point.sale_value)) if point.hours_with_sales else (None, None)
    buyers = point.buyers
    users = (buyers.users, buyers.buyers if buyers.in_catalogue else None) if point.hours_loaded else (None, None)
    span = point.step.span
    hours = (point.hours_loaded, point.hours_with_sales)
    return (
        *(section, None, buyers.language, *sales, *users, buyers.percent),
        *(point.step.name, span.since.instant, span.until.instant, json_text(point.step.is_whole), *hours),
    )


def _series_title(report: Report) -> str:
    language = plain(report.buyers[0].language)
    return f"By {report.by}, {report.calendar.name}; buyers: users who bought a book in {language}"


def _series_names(report: Report) -> tuple[str, ...]:
    hours = ("Hours with sales", "With users") if report.sums_kept else ("Hours loaded",)
    before = ("Value before",) if report.previous and report.previous.by else ()
    return (str(report.by).capitalize(), *hours, "Books", "Value", *before, "Buyers", "Users", "Percent")


def _series_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for point, before in with_before(report):
        step, buyers = point.step, point.buyers
        known = [point.hours_with_sales, point.hours_loaded] if report.sums_kept else [point.hours_loaded]
        yield (
            step.name if step.is_whole else f"{step.name} (part)",
            *(f"{hours} of {len(step.span)}" for hours in known),
            *((f"{point.books_sold:,}", thousands(point.sale_value)) if point.hours_with_sales else ("n/a", "n/a")),
            *([value_before(before)] if report.previous and report.previous.by else []),
            *((f"{buyers.buyers:,}", f"{buyers.users:,}") if point.hours_loaded else ("n/a", "n/a")),
            "n/a" if buyers.percent is None else f"{buyers.percent}%",
        )


def with_before(report: Report) -> list[tuple[Point, Point | None]]:
    """Return each point of the series with the one that has the same place in the preceding span; None if that has none."""
    before = report.previous.series if report.previous else ()
    return list(zip_longest(report.series, before[: len(report.series)]))


def value_before(point: Point | None) -> str:
    """Return the sale value of a point of the preceding span."""
    return thousands(point.sale_value) if point and point.hours_with_sales else "n/a"


def _headline_rows(report: Report, of: str) -> list[tuple[object, ...]]:
    total = (f"{of}total", "", "", report.books_sold, money(report.sale_value), "", "", "")
    return [
        total,
        *(
            (
                f"{of}buyers",
                "",
                buyers.language,
                "",
                "",
                buyers.users,
                buyers.buyers if buyers.in_catalogue else None,
                buyers.percent,
            )
            for buyers in report.buyers
        ),
    ]


def _sales_rows(report: Report) -> list[tuple[str, ...]]:
    def row(format_: str, language: str, books_sold: int, value: Decimal) -> tuple[str, ...]:
        share = f"{100 * value / report.sale_value:.1f}%" if report.sale_value else ""
        return (format_, language, f"{books_sold:,}", thousands(value), share)

    rows = [row(named(sale.format), named(sale.language), sale.books_sold, sale.sale_value) for sale in report.sales]
    if report.unmatched.books_sold:
        rows.append(row("(no such book)", "", report.unmatched.books_sold, report.unmatched.sale_value))
    return [*rows, row("Total", "", report.books_sold, report.sale_value)]


def _buyers_lines(report: Report) -> list[str]:
    def share(buyers: Buyers) -> str:
        of = of_users(report, buyers)
        return of if not buyers.in_catalogue else f"{'n/a' if buyers.percent is None else f'{buyers.percent}%'} ({of})"

    return [f"Users who bought a book in {plain(buyers.language)}: {share(buyers)}" for buyers in report.buyers]


def of_users(report: Report, buyers: Buyers) -> str:
    """Return how many of how many users bought, and in how many hours if sales cover more; or that there is no such book."""
    if not buyers.in_catalogue:
        return _no_such_language(report, buyers)
    of_hours = f" of {report.hours_loaded:,} of {report.hours_expected:,} hours" if report.sums_kept else ""
    return f"{buyers.buyers:,} of {counted(buyers.users, 'user')}{of_hours}"


def _no_such_language(report: Report, buyers: Buyers, most: int = 12) -> str:
    languages = sorted(report.catalogue.languages)
    names = ", ".join(map(named, languages[:most])) + (f" and {len(languages) - most} more" if len(languages) > most else "")
    there_are = f"its languages are {names}" if languages else "it has no languages"
    return f"no book in the catalogue is in {plain(buyers.language)}; {there_are}"


def not_comparable(report: Report) -> str:
    """Return what is not compared with the preceding span, and why; empty if everything is."""
    before = report.previous
    if before is None or not (before.missing or report.missing or before.before_first):
        return ""
    spans = (("this span", report), ("the preceding span", before))
    if report.change is None:
        lacking = [(which, len(of.without_sales), "not loaded") for which, of in spans]
        what = "No comparison with the preceding span"
    else:
        lacking = [(which, len(of.missing), "not known") for which, of in spans]
        what = "No comparison of users with the preceding span"
    of_hours = "those of " if report.change else ""
    told = [
        f"{of_hours}{counted(hours, 'hour')} of {which} {'is' if hours == 1 and not of_hours else 'are'} {state}"
        for which, hours, state in lacking
        if hours
    ]
    if before.before_first:
        told.append(_before_first(before, "the preceding span"))
    return f"{what}: {' and '.join(told)}"


def _before_first(report: Report, span: str) -> str:
    lies = "lies" if report.before_first == 1 else "lie"
    return f"{counted(report.before_first, 'hour')} of {span} {lies} before the shop's first"


def _change_lines(report: Report) -> list[str]:
    if report.previous is None:
        return []
    change, reason = report.change, not_comparable(report)
    if change is None:
        return [reason]
    told = [
        f"books {signed(change.books_sold)} ({signed(change.books_sold_percent, '%')})",
        f"value {signed(change.sale_value)} ({signed(change.sale_value_percent, '%')})",
    ]
    if not reason:
        told.append(f"users who bought in {plain(report.buyers[0].language)} {signed(change.points, ' points')}")
    return [f"Against {_span(report.previous)}: {', '.join(told)}", *([reason] if reason else [])]


def coverage_line(report: Report) -> str:
    """Return in words how many hours the figures cover."""
    expected = f"{report.hours_expected:,}"
    if not report.sums_kept:
        return f"{report.hours_loaded:,} of {expected} hours are loaded"
    pruned = len(report.sums_kept)
    return (
        f"Sales: {report.hours_with_sales:,} of {expected} hours; users: {report.hours_loaded:,} of {expected}"
        f" ({pruned:,} {'was' if pruned == 1 else 'were'} pruned, {'its' if pruned == 1 else 'their'} sums kept)"
    )


def given_up_lines(report: Report) -> list[str]:
    """Return in words which of the missing hours were skipped or pruned."""
    kept = set(report.sums_kept)
    told = {
        "Skipped (given up)": report.skipped,
        "Pruned": tuple(hour for hour in report.pruned if hour not in kept),
        "Pruned, their sums kept": report.sums_kept,
    }
    return [f"{words}: {hours_in_words(hours)}" for words, hours in told.items() if hours]


def _coverage_lines(report: Report) -> list[str]:
    lines = [coverage_line(report)]
    if report.before_first:
        lines[0] += f"; {_before_first(report, 'the span')}"
    if report.without_sales:
        lines[0] += f"; totals are too low. Missing: {hours_in_words(report.without_sales)}"
    lines += given_up_lines(report)
    lines += unusual_in_words(report.unusual)
    if not report.calendar.is_utc and (report.missing or report.unusual):
        lines.append("The hours named here are UTC")
    if report.rejected_rows:
        lines.append(f"Not in these figures: {counted(report.rejected_rows, 'rejected row')}")
    if report.unmatched.isbns:
        lines.append(f"Not in the catalogue: {counted(report.unmatched.isbns, 'ISBN')}")
    return [*lines, catalogue_line(report)]


def catalogue_line(report: Report) -> str:
    """Return in words when formats and languages were read from the books."""
    since = "the books have not changed since" if report.catalogue.is_current else "the books have changed since"
    return f"Catalogue as of {report.catalogue.as_of:%Y-%m-%d %H:%M} UTC; {since}"
