"""What a run did to each hour, what a dry run read, and why a command failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bookreport.messages import json_text, plain
from bookreport.outcomes import Ending
from bookreport.present.report import report_json
from bookreport.present.words import as_table, counted, far_off_json, money, thousands

if TYPE_CHECKING:
    # Only types are needed here: a report must not wait for boto3.
    from bookreport.discovery import Discovery
    from bookreport.errors import BookreportError, Interrupted
    from bookreport.outcomes import Outcome, Total
    from bookreport.preview import Preview, Sample
    from bookreport.reports import Report

OUTCOMES = tuple(ending for ending in Ending if not ending.startswith("would-"))


def run_json(
    outcomes: Sequence[Outcome],
    reports: Sequence[Report] | None = None,
    preview: Preview | None = None,
    *,
    looked: Discovery | None = None,
) -> dict[str, object]:
    """Return the outcomes of a run as `bookreport.run/1`, with its reports, or the readings of a dry run.

    `looked`: what the search of the bucket found, None if hours were named.
    """
    document: dict[str, object] = {
        "schema": "bookreport.run/1",
        "hours": [_outcome_json(outcome) for outcome in outcomes],
    }
    for name in OUTCOMES:
        document[name.replace("-", "_")] = sum(outcome.outcome == name for outcome in outcomes)
    if looked is not None:
        document["looked_from"] = looked.looked_from and looked.looked_from.instant
        document["far_off"] = far_off_json(looked.far_off)
    if preview is not None:
        document["head"] = preview.head
        document["readings"] = [_sample_json(sample) for sample in preview.readings]
    if reports is not None:
        document["reports"] = [report_json(report) for report in reports]
    return document


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
        "before": _total_json(outcome.before),
        "after": _total_json(outcome.after),
    }


def _total_json(total: Total | None) -> dict[str, object] | None:
    if total is None:
        return None
    return {"rows": total.rows, "books_sold": total.books_sold, "sale_value": money(total.sale_value)}


def _sample_json(sample: Sample) -> dict[str, object]:
    return {
        "files": sample.files,
        "header": ",".join(sample.reading.header),
        "columns": sample.reading.names,
        "extra": list(sample.reading.extra),
        "ignored": sample.reading.ignored,
        "rows": [list(row) for row in sample.rows],
        "isbns_matched_percent": sample.isbns_matched_percent,
    }


def run_table(outcomes: Sequence[Outcome], preview: Preview | None = None) -> str:
    """Return the outcomes of a run as text for a terminal; for a dry run, also how each shape of header would be read."""
    parts = []
    if preview is not None and outcomes:
        counts = ("files", "bytes", "rows_loaded", "rows_rejected")
        found = [(str(each.hour), each.outcome, *(f"{getattr(each, name):,}" for name in counts)) for each in outcomes]
        parts.append(as_table(("Hour", "Outcome", "Files", "Bytes", "Rows", "Rejected"), found, right=range(2, 6)))
        parts += ["Only the head of each file was read; what follows may still be refused."] if preview.head else []
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
        parts.append(as_table(header, rows, right=range(2, 8)))
    parts += map(_sample_text, preview.readings if preview else ())
    return "\n\n".join(parts)


def _sample_text(sample: Sample) -> str:
    reading = sample.reading
    matched = "" if sample.isbns_matched_percent is None else f"; {sample.isbns_matched_percent}% of ISBNs match a book"
    lines = [f"{counted(sample.files, 'file')} with the header {plain(','.join(reading.header))}{matched}"]
    lines += [f"  {column:<12} is {plain(repr(name))}" for column, name in reading.names.items()]
    lines += [f"  {'extra':<12} is {', '.join(plain(repr(name)) for name in reading.extra)}"] if reading.extra else []
    lines += [f"  {'left out':<12} the unnamed first column"] if reading.dropped else []
    lines += [] if reading.priced else ["  unit_price   is the catalogue's own price"]
    return "\n".join([*lines, *("    " + plain(",".join(row)) for row in sample.rows)])


def outcome_line(outcome: Outcome) -> str:
    """Return the line that reports an hour's outcome."""
    if outcome.error is not None:
        return _failure_line(outcome, outcome.error.headline or outcome.error.message)
    if not outcome.is_loaded:
        return f"{outcome.hour} was {outcome.outcome} in the meantime; it is left alone"
    if outcome.before and outcome.after:
        counts = _change(outcome.before, outcome.after)
    else:
        counts = f"{counted(outcome.rows_loaded, 'row')} from {counted(outcome.files, 'file')}"
    if outcome.rows_rejected:
        counts += f", {outcome.rows_rejected:,} rejected"
    if outcome.rows_unmatched:
        counts += f", {outcome.rows_unmatched:,} unmatched"
    return f"{outcome.hour} {outcome.outcome}: {counts}, {outcome.seconds:.1f} s"


def _failure_line(outcome: Outcome, message: str) -> str:
    if outcome.still_loaded:
        return f"{outcome.hour} failed to reload, and is as it was loaded before: {message}"
    return message if message.startswith(str(outcome.hour)) else f"{outcome.hour} {outcome.outcome}: {message}"


def _change(before: Total, after: Total) -> str:
    """Return what a reload changed of an hour."""
    parts = [
        f"{name} {was} → {now}"
        for name, was, now in (
            ("rows", f"{before.rows:,}", f"{after.rows:,}"),
            ("books", f"{before.books_sold:,}", f"{after.books_sold:,}"),
            ("value", thousands(before.sale_value), thousands(after.sale_value)),
        )
        if was != now
    ]
    return ", ".join(parts) or "nothing changed"


def sum_line(outcomes: Sequence[Outcome]) -> str:
    """Return the line that sums up a run that loaded all of its hours."""
    done = Counter(outcome.outcome for outcome in outcomes)
    told = ", ".join(f"{number:,} {name}" for name, number in done.items())
    counts = [("rows", "rows_loaded"), ("rejected", "rows_rejected"), ("unmatched", "rows_unmatched")]
    sums = [(name, sum(getattr(outcome, column) for outcome in outcomes)) for name, column in counts]
    return f"{told}: {', '.join(f'{number:,} {name}' for name, number in sums if number or name == 'rows')}"


def others_line(outcomes: Sequence[Outcome], untried: int) -> str:
    """Return what becomes of the rest of a run that failed, `untried` hours of it not begun; "" if there is nothing to say."""
    loaded = sum(outcome.is_loaded for outcome in outcomes)
    hours = counted(loaded, "other hour" if any(outcome.error for outcome in outcomes) else "hour")
    told = [f"{hours} {'is' if loaded == 1 else 'are'} loaded"] if loaded else []
    told += (
        [f"the run stopped, and {counted(untried, 'hour')} {'was' if untried == 1 else 'were'} not tried"] if untried else []
    )
    again = any(outcome.outcome == Ending.FAILED and not outcome.still_loaded for outcome in outcomes)
    told += ["no other hour is affected"] if again and not told else []
    told += ["every run retries what failed to load"] if again else []
    line = "; ".join(told)
    return f"{line[:1].upper()}{line[1:]}"


def error_json(error: BookreportError | Interrupted) -> str:
    """Return a failure as one line of `bookreport.error/1`."""
    return json_text(error_document(error))


def error_document(error: BookreportError | Interrupted) -> dict[str, object]:
    """Return a failure as `bookreport.error/1`."""
    return {
        "schema": "bookreport.error/1",
        "code": error.exit_code,
        "kind": error.kind,
        "hour": error.hour,
        "message": error.message,
        "hint": error.hint,
    }
