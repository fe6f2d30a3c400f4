"""Reports and outcomes as a table, JSON, CSV or Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from bookreport.hours import Hour, Span

if TYPE_CHECKING:
    # What is printed is known by its type alone: a report must not wait for boto3.
    from bookreport.catalogue import Refresh
    from bookreport.check import Check
    from bookreport.discovery import Discovery
    from bookreport.errors import BookreportError, Interrupted
    from bookreport.health import Status, Verification
    from bookreport.ledger import SetAside
    from bookreport.loader import Outcome
    from bookreport.preview import Preview
    from bookreport.prune import PrunedMonth
    from bookreport.reports import Buyers, Point, Report
    from bookreport.source import FarOff

OUTCOMES = ("loaded", "reloaded", "unchanged", "skipped", "pruned", "failed", "locked", "not-ready")

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
_CONTROL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069{_NONCHARACTERS}]")
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def money(amount: Decimal) -> str:
    """Return an exact amount with two decimals, and more only where it has more."""
    text = f"{amount:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as `1 file` or `1,234 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain(text: str) -> str:
    """Return `text` with what steers a terminal (escapes, line ends, direction marks) or is no character made visible."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def named(name: str | None) -> str:
    """Return the name of a format or language, harmless, and to be seen also where it is empty."""
    return "(none)" if name is None else plain(name) if name.strip() else "(empty)"


def instant(moment: datetime) -> str:
    """Return an instant as RFC 3339 has it, to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def report_json(report: Report) -> dict[str, object]:
    """Return the report as `bookreport.report/1`; the span before and the series where the report has them."""
    document: dict[str, object] = {
        "schema": "bookreport.report/1",
        "generated_at": instant(report.generated_at),
        **_span_json(report),
        "sales": [
            {
                "format": sale.format,
                "language": sale.language,
                "books_sold": sale.books_sold,
                "sale_value": money(sale.sale_value),
            }
            for sale in report.sales
        ],
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
        change = report.change
        document["previous"] = {
            **_span_json(report.previous),
            **_headline_json(report.previous),
            "change": change
            and {
                "books_sold": change.books_sold,
                "books_sold_percent": _number(change.books_sold_percent),
                "sale_value": money(change.sale_value),
                "sale_value_percent": _number(change.sale_value_percent),
                "percent_points": _number(change.points),
            },
        }
    if report.series:
        document["series"] = [_point_json(point) for point in report.series]
    return document


def run_json(
    outcomes: Sequence[Outcome],
    reports: Sequence[Report] | None = None,
    preview: Preview | None = None,
    *,
    looked: Discovery | None = None,
) -> dict[str, object]:
    """Return the outcomes of a run as `bookreport.run/1`, with its reports, or the readings of a dry run.

    `looked`: what was found in the bucket, None where hours were named.
    """
    document: dict[str, object] = {
        "schema": "bookreport.run/1",
        "hours": [_outcome_json(outcome) for outcome in outcomes],
    }
    for name in OUTCOMES:
        document[name.replace("-", "_")] = sum(outcome.outcome == name for outcome in outcomes)
    if looked is not None:
        document["looked_from"] = looked.looked_from and looked.looked_from.instant
        document["far_off"] = _far_off_json(looked.far_off)
    if preview is not None:
        document["readings"] = [
            {
                "files": sample.files,
                "header": ",".join(sample.reading.header),
                "columns": sample.reading.names,
                "extra": list(sample.reading.extra),
                "ignored": sample.reading.ignored,
                "rows": [list(row) for row in sample.rows],
                "isbns_matched_percent": sample.isbns_matched_percent,
            }
            for sample in preview.readings
        ]
    if reports is not None:
        document["reports"] = [report_json(report) for report in reports]
    return document


def error_json(error: BookreportError | Interrupted) -> str:
    """Return a failure as one line of `bookreport.error/1`."""
    document = {
        "schema": "bookreport.error/1",
        "code": error.exit_code,
        "kind": error.kind,
        "hour": error.hour,
        "message": error.message,
        "hint": error.hint,
    }
    return json.dumps(document, ensure_ascii=False)


def as_json(document: dict[str, object]) -> str:
    """Return a document as indented JSON text."""
    return json.dumps(document, ensure_ascii=False, indent=2)


def report_csv(report: Report, *, excel: bool = False) -> str:
    """Return the report as CSV: one header; sections sales, unmatched, total, buyers, and those of the span before."""
    header = ("section", "format", "language", "books_sold", "sale_value", "users", "buyers", "percent")
    sales = [
        ("sales", sale.format, sale.language, sale.books_sold, money(sale.sale_value), "", "", "") for sale in report.sales
    ]
    unmatched = ("unmatched", "", "", report.unmatched.books_sold, money(report.unmatched.sale_value), "", "", "")
    rows = [*sales, unmatched, *_headline_rows(report, "")]
    if report.previous:
        rows += _headline_rows(report.previous, "previous_")
    return _csv(header, rows, texts=(1, 2), excel=excel)


def report_table(report: Report) -> str:
    """Return the report as text for a terminal: sales with their shares, total last, buyers, coverage."""
    rows = _sales_rows(report)
    lines = [
        f"Books sold, {report.span}",
        "",
        _table(("Format", "Language", "Books", "Value", "Share"), rows, right=(2, 3, 4), total=True),
        "",
        *_buyers_lines(report),
        *_change_lines(report),
        *_coverage_lines(report),
    ]
    return "\n".join(lines)


def report_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    rows = _sales_rows(report)
    *body, total = [[_markdown(cell) for cell in row] for row in rows]
    table = [
        ["Format", "Language", "Books", "Value", "Share"],
        ["---", "---", "---:", "---:", "---:"],
        *body,
        [f"**{cell}**" if cell else "" for cell in total],
    ]
    lines = [
        f"### Books sold, {report.span}",
        "",
        *(f"| {' | '.join(row)} |" for row in table),
        "",
        *(f"{_markdown(line)}  " for line in [*_buyers_lines(report), *_change_lines(report), *_coverage_lines(report)]),
    ]
    return "\n".join(lines)


def run_table(outcomes: Sequence[Outcome], preview: Preview | None = None) -> str:
    """Return the outcomes of a run as text for a terminal; for a dry run how each shape of header would be read, too."""
    parts = []
    if preview is not None and outcomes:
        counts = ("files", "bytes", "rows_loaded", "rows_rejected")
        found = [(str(each.hour), each.outcome, *(f"{getattr(each, name):,}" for name in counts)) for each in outcomes]
        parts.append(_table(("Hour", "Outcome", "Files", "Bytes", "Rows", "Rejected"), found, right=range(2, 6)))
    elif outcomes:
        header = ("Hour", "Outcome", "Files", "Bytes", "Rows", "Rejected", "Unmatched", "Seconds")
        rows = [
            (
                str(outcome.hour),
                outcome.outcome,
                f"{outcome.files:,}",
                f"{outcome.bytes:,}",
                f"{outcome.rows_loaded:,}",
                f"{outcome.rows_rejected:,}",
                f"{outcome.rows_unmatched:,}",
                f"{outcome.seconds:.1f}",
            )
            for outcome in outcomes
        ]
        parts.append(_table(header, rows, right=range(2, 8)))
    for sample in preview.readings if preview else ():
        reading = sample.reading
        matched = "" if sample.isbns_matched_percent is None else f"; {sample.isbns_matched_percent}% of ISBNs match a book"
        lines = [f"{counted(sample.files, 'file')} with the header {plain(','.join(reading.header))}{matched}"]
        lines += [f"  {column:<12} is {plain(repr(name))}" for column, name in reading.names.items()]
        lines += [f"  {'extra':<12} keeps {', '.join(plain(repr(name)) for name in reading.extra)}"] if reading.extra else []
        lines += [f"  {'left out':<12} the unnamed first column"] if reading.dropped else []
        lines += [] if reading.priced else ["  unit_price   is the catalogue's own price"]
        lines += ["    " + plain(",".join(row)) for row in sample.rows]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def rejects_json(rejects: Sequence[SetAside]) -> dict[str, object]:
    """Return rejects as `bookreport.rejects/1`."""
    return {
        "schema": "bookreport.rejects/1",
        "rejects": [asdict(reject) | {"hour": reject.hour.instant} for reject in rejects],
    }


def rejects_csv(rejects: Sequence[SetAside], *, excel: bool = False) -> str:
    """Return rejects as CSV."""
    rows = [(reject.hour.instant, reject.key, reject.line_number, reject.reason, reject.raw) for reject in rejects]
    return _csv(("hour", "key", "line_number", "reason", "raw"), rows, texts=(1, 3, 4), excel=excel)


def rejects_table(rejects: Sequence[SetAside]) -> str:
    """Return rejects as text for a terminal."""
    rows = [
        (str(reject.hour), plain(reject.key), f"{reject.line_number:,}", plain(reject.reason), plain(reject.raw or ""))
        for reject in rejects
    ]
    return _table(("Hour", "File", "Line", "Reason", "Raw"), rows, right=(2,))


def verification_json(found: Verification) -> dict[str, object]:
    """Return what verify found as `bookreport.verify/1`."""
    return {
        "schema": "bookreport.verify/1",
        "hours": found.hours,
        "differences": [
            {"hour": each.hour.instant, "kind": each.kind, "key": each.key, "message": each.message}
            for each in found.differences
        ],
    }


def verification_table(found: Verification) -> str:
    """Return the differences that verify found as text for a terminal."""
    rows = [(str(each.hour), each.kind, plain(each.message)) for each in found.differences]
    return _table(("Hour", "Kind", "Difference"), rows)


def status_json(found: Status) -> dict[str, object]:
    """Return how things stand as `bookreport.status/1`."""
    return {
        "schema": "bookreport.status/1",
        "newest_loaded": found.newest_loaded.instant if found.newest_loaded else None,
        "loaded": found.loaded,
        "failed": [asdict(failure) | {"hour": failure.hour.instant} for failure in found.failed],
        "skipped": [{"hour": hour.instant, "reason": reason} for hour, reason in found.skipped],
        "pruned": found.pruned,
        "pending": [hour.instant for hour in found.pending],
        "overdue": [hour.instant for hour in found.overdue],
        "missing": [hour.instant for hour in found.missing],
        "missing_hours": found.missing_hours,
        "missing_is_cut": len(found.missing) < found.missing_hours,
        "missing_spans": [_hours_json(span) for span in found.gaps],
        "skipped_complete": [hour.instant for hour in found.come],
        "looked_from": found.looked_from.instant if found.looked_from else None,
        "before_look_back": found.unlooked,
        "far_off": _far_off_json(found.far_off),
        "far_off_loaded": [_hours_json(span) for span in found.far_off_loaded],
        "rejected_rows": found.rejected_rows,
        "rows_unmatched": found.rows_unmatched,
    }


def status_text(found: Status) -> str:
    """Return how things stand as text for a terminal."""
    newest = f"; the newest is {found.newest_loaded}" if found.newest_loaded else ""
    lines = [f"{'Loaded':<10}{counted(found.loaded, 'hour')}{newest}"]
    lines += [
        f"{'Failed':<10}{failure.hour} ({counted(failure.attempts, 'attempt')}): {plain(failure.error)}"
        for failure in found.failed
    ]
    come = {hour: f"; complete now, so load it: bookreport run-hour --hour {hour}" for hour in found.come}
    lines += [f"{'Skipped':<10}{hour}: {plain(reason)}{come.get(hour, '')}" for hour, reason in found.skipped]
    lines += [f"{'Pruned':<10}{counted(found.pruned, 'hour')}"] if found.pruned else []
    told = {
        "Pending": (found.pending, "complete, and not loaded yet"),
        "Overdue": (found.overdue, "files, but no marker"),
    }
    lines += [
        f"{name:<10}{counted(len(hours), 'hour')} ({meaning}): {_hours(hours)}"
        for name, (hours, meaning) in told.items()
        if hours
    ]
    if found.gaps:
        lines.append(
            f"{'Missing':<10}{counted(found.missing_hours, 'hour')} (neither loaded nor in the bucket): {_spans(found.gaps)}"
        )
    if found.unlooked:
        lines.append(
            f"{'Older':<10}{counted(found.unlooked, 'hour')} (in the bucket before {found.looked_from}, and not loaded):"
            " see bookreport ingest --all"
        )
    if found.far_off:
        names = ", ".join(plain(each.prefix) for each in found.far_off[:6])
        more = f" and {len(found.far_off) - 6:,} more" if len(found.far_off) > 6 else ""
        lines.append(f"{'Far off':<10}{names}{more} (out of time, and left alone): see bookreport check")
    if found.far_off_loaded:
        hours = counted(sum(map(len, found.far_off_loaded)), "loaded hour")
        lines.append(
            f"{'Far off':<10}{hours} (out of time, and in no count): {_spans(found.far_off_loaded)}; see bookreport check"
        )
    lines += [f"{'Rejected':<10}{counted(found.rejected_rows, 'row')}"] if found.rejected_rows else []
    lines += [f"{'Unmatched':<10}{counted(found.rows_unmatched, 'row')}"] if found.rows_unmatched else []
    return "\n".join([*lines, "Drift was not looked for; see: bookreport verify"])


def _far_off_json(far_off: Sequence[FarOff]) -> list[dict[str, object]]:
    return [{"prefix": each.prefix, "since": each.since.instant, "until": each.until.instant} for each in far_off]


def _hours_json(span: Span) -> dict[str, object]:
    return {"since": span.since.instant, "until": span.until.instant, "hours": len(span)}


def refresh_json(done: Refresh) -> dict[str, object]:
    """Return what a refresh of the catalogue did as `bookreport.refresh/1`."""
    return {
        "schema": "bookreport.refresh/1",
        "catalogue_as_of": instant(done.as_of),
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
    }


def pruned_json(months: Sequence[PrunedMonth], rejects: int, *, dry_run: bool) -> dict[str, object]:
    """Return what was pruned, or would be, as `bookreport.prune/1`."""
    return {
        "schema": "bookreport.prune/1",
        "dry_run": dry_run,
        "months": [
            {"since": month.span.since.instant, "until": month.span.until.instant, "hours": month.hours, "rows": month.rows}
            for month in months
        ],
        "hours": sum(month.hours for month in months),
        "rows": sum(month.rows for month in months),
        "reject_texts": rejects,
    }


def pruned_table(months: Sequence[PrunedMonth]) -> str:
    """Return the months that were pruned, or would be, as text for a terminal."""
    rows = [(str(month.span), f"{month.hours:,}", f"{month.rows:,}") for month in months]
    return _table(("Span", "Hours", "Rows"), rows, right=(1, 2))


def checks_json(checks: Sequence[Check]) -> dict[str, object]:
    """Return checks as `bookreport.check/1`."""
    return {
        "schema": "bookreport.check/1",
        "ok": all(check.ok for check in checks),
        "checks": [{"name": check.name, "ok": check.ok, "message": check.message, "hint": check.hint} for check in checks],
    }


def checks_text(checks: Sequence[Check]) -> str:
    """Return checks as text for a terminal: a line each, and a hint below it."""
    lines = []
    for check in checks:
        lines.append(f"{check.name:<12}{'OK' if check.ok else 'FAILED':<8}{plain(check.message)}")
        lines += [f"{'':<20}{plain(check.hint)}"] if check.hint else []
    return "\n".join(lines)


def outcome_line(outcome: Outcome) -> str:
    """Return the one line that tells an hour's outcome."""
    if outcome.error is not None:
        return f"{outcome.hour} {outcome.outcome}: {outcome.error.message}"
    if not outcome.is_loaded:
        return f"{outcome.hour} was {outcome.outcome} meanwhile, and is left alone"
    counts = f"{counted(outcome.rows_loaded, 'row')} from {counted(outcome.files, 'file')}"
    if outcome.rows_rejected:
        counts += f", {outcome.rows_rejected:,} rejected"
    if outcome.rows_unmatched:
        counts += f", {outcome.rows_unmatched:,} unmatched"
    return f"{outcome.hour} {outcome.outcome}: {counts}, {outcome.seconds:.1f} s"


def _outcome_json(outcome: Outcome) -> dict[str, object]:
    return {
        "hour": outcome.hour.instant,
        "outcome": outcome.outcome,
        "attempt": outcome.attempt,
        "files": outcome.files,
        "bytes": outcome.bytes,
        "rows_loaded": outcome.rows_loaded,
        "rows_rejected": outcome.rows_rejected,
        "rows_unmatched": outcome.rows_unmatched,
        "seconds": outcome.seconds,
        "error": outcome.error.message if outcome.error else None,
        "hint": outcome.error.hint if outcome.error else None,
    }


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
        },
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
        "percent": _number(buyers.percent),
    }


def _point_json(point: Point) -> dict[str, object]:
    sales_known, users_known = point.hours_with_sales > 0, point.hours_loaded > 0
    return {
        "since": point.span.since.instant,
        "until": point.span.until.instant,
        "hours_loaded": point.hours_loaded,
        "hours_with_sales": point.hours_with_sales,
        "books_sold": point.books_sold if sales_known else None,
        "sale_value": money(point.sale_value) if sales_known else None,
        "buyers": point.buyers.buyers if users_known else None,
        "users": point.buyers.users if users_known else None,
        "percent": _number(point.buyers.percent),
    }


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]], *, texts: Sequence[int], excel: bool) -> str:
    """Return CSV (RFC 4180) with LF and the cells as they are.

    `excel`: for a spreadsheet, that is with a byte order mark and CRLF, and in the columns `texts`, which hold other
    people's text, with an apostrophe before what it would take for a formula.
    """
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\r\n" if excel else "\n")
    writer.writerow(header)
    for row in rows:
        cells = list(row)
        for position in texts if excel else ():
            if str(cells[position] or "").startswith(_FORMULA):
                cells[position] = f"'{cells[position]}"
        writer.writerow(cells)
    return ("\ufeff" if excel else "") + output.getvalue()


def _headline_rows(report: Report, of: str) -> list[tuple[object, ...]]:
    total = (f"{of}total", "", "", report.books_sold, money(report.sale_value), "", "", "")
    return [
        total,
        *(
            (f"{of}buyers", "", buyers.language, "", "", buyers.users, buyers.buyers, buyers.percent)
            for buyers in report.buyers
        ),
    ]


def _sales_rows(report: Report) -> list[tuple[str, ...]]:
    def row(format_: str, language: str, books_sold: int, value: Decimal) -> tuple[str, ...]:
        share = f"{100 * value / report.sale_value:.1f}%" if report.sale_value else ""
        return (format_, language, f"{books_sold:,}", f"{Decimal(money(value)):,}", share)

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
    """Return how many of how many users bought, of which hours they are where sales are of more; or that no book is there."""
    if not buyers.in_catalogue:
        return _no_such_language(report, buyers)
    of_hours = f" of {report.hours_loaded:,} of {report.hours_expected:,} hours" if report.sums_kept else ""
    return f"{buyers.buyers:,} of {counted(buyers.users, 'user')}{of_hours}"


def _no_such_language(report: Report, buyers: Buyers, most: int = 12) -> str:
    languages = sorted(report.catalogue.languages)
    names = ", ".join(map(named, languages[:most])) + (f" and {len(languages) - most} more" if len(languages) > most else "")
    there_are = f"the catalogue's languages are {names}" if languages else "the catalogue has no languages"
    return f"no book is in {plain(buyers.language)}; {there_are}"


def signed(amount: Decimal | int | None, unit: str = "") -> str:
    """Return a change with its sign, as `+1,234` or `-3.4%`; `n/a` where there is none."""
    if amount is None:
        return "n/a"
    return f"{Decimal(money(amount)) if isinstance(amount, Decimal) and not unit else amount:+,}{unit}"


def not_comparable(report: Report) -> str:
    """Return what is not compared with the span before, and why; empty where all is."""
    before = report.previous
    if before is None or not (before.missing or report.missing or before.before_first):
        return ""
    spans = (("this span", report), ("the span before", before))
    if report.change is None:
        lacking = [(which, len(of.without_sales), "not loaded") for which, of in spans]
        what = "No comparison with the span before"
    else:
        lacking = [(which, len(of.missing), "not known") for which, of in spans]
        what = "No comparison of the users with the span before"
    of_hours = "those of " if report.change else ""
    told = [
        f"{of_hours}{counted(hours, 'hour')} of {which} {'is' if hours == 1 and not of_hours else 'are'} {state}"
        for which, hours, state in lacking
        if hours
    ]
    if before.before_first:
        told.append(_before_first(before, "the span before"))
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
    return [f"Against {report.previous.span}: {', '.join(told)}", *([reason] if reason else [])]


def coverage_line(report: Report) -> str:
    """Return of how many hours the figures are, in words."""
    expected = f"{report.hours_expected:,}"
    if not report.sums_kept:
        return f"{report.hours_loaded:,} of {expected} hours are loaded"
    pruned = len(report.sums_kept)
    return (
        f"Sales: {report.hours_with_sales:,} of {expected} hours; users: {report.hours_loaded:,} of {expected}"
        f" ({pruned:,} {'was' if pruned == 1 else 'were'} pruned, {'its' if pruned == 1 else 'their'} sums kept)"
    )


def given_up_lines(report: Report) -> list[str]:
    """Return which of the missing hours were skipped or pruned, in words."""
    kept = set(report.sums_kept)
    told = {
        "Skipped, and never to come": report.skipped,
        "Pruned": tuple(hour for hour in report.pruned if hour not in kept),
        "Pruned, their sums kept": report.sums_kept,
    }
    return [f"{words}: {_hours(hours)}" for words, hours in told.items() if hours]


def _coverage_lines(report: Report) -> list[str]:
    lines = [coverage_line(report)]
    if report.before_first:
        lines[0] += f"; {_before_first(report, 'the span')}"
    if report.without_sales:
        lines[0] += f"; totals are lower than the truth. Missing: {_hours(report.without_sales)}"
    lines += given_up_lines(report)
    if report.rejected_rows:
        lines.append(f"Not in these figures: {counted(report.rejected_rows, 'rejected row')}")
    if report.unmatched.isbns:
        lines.append(f"Not in the catalogue: {counted(report.unmatched.isbns, 'ISBN')}")
    return [*lines, catalogue_line(report)]


def catalogue_line(report: Report) -> str:
    """Return as of when formats and languages are, in words."""
    since = "the books have not changed since" if report.catalogue.is_current else "the books have changed since"
    return f"Catalogue as of {report.catalogue.as_of:%Y-%m-%d %H:%M} UTC; {since}"


def _hours(hours: Sequence[Hour], most: int = 6) -> str:
    """Return hours in words, runs of them as spans."""
    return _spans(Span.runs(hours), most)


def _spans(spans: Sequence[Span], most: int = 6) -> str:
    told = [str(span.since) if len(span) == 1 else f"{span.since} to {span.until}" for span in spans[:most]]
    return ", ".join(told) + (f" and {len(spans) - most} more" if len(spans) > most else "")


def _markdown(cell: str) -> str:
    """Return `cell` so that neither a ticket nor a chat sees markup, a link or a mention in it."""
    entities = cell.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A zero-width blank after @ keeps it from calling somebody; a backslash would not.
    return re.sub(r"([\\`*_{}\[\]#|~$]|:(?=//)|(?<=www)\.)", r"\\\1", entities).replace("@", "@\u200b")


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = (), total: bool = False) -> str:
    """Return a table of its natural width, whatever the terminal's."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, header_style=None)
    rights = set(right)
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position in rights else "left", no_wrap=True)
    rows = list(rows)
    for number, row in enumerate(rows):
        table.add_row(*row, end_section=total and number == len(rows) - 2)
    output = io.StringIO()
    # A name is text, whatever rich would read into its brackets and colons.
    console = Console(file=output, width=100_000, color_system=None, force_terminal=False, markup=False, emoji=False)
    console.print(table, highlight=False)
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines())
