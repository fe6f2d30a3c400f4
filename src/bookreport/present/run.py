"""What a run did to each hour, what a dry run read, and why a command failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bookreport.messages import json_text, plain
from bookreport.outcomes import Ending
from bookreport.present.report import report_json
from bookreport.present.words import as_table, counted, far_off_json

if TYPE_CHECKING:
    # Only types are needed here: a report must not wait for boto3.
    from bookreport.discovery import Discovery
    from bookreport.errors import BookreportError, Interrupted
    from bookreport.outcomes import Outcome
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
    }


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
        return f"{outcome.hour} {outcome.outcome}: {outcome.error.message}"
    if not outcome.is_loaded:
        return f"{outcome.hour} was {outcome.outcome} in the meantime; it is left alone"
    counts = f"{counted(outcome.rows_loaded, 'row')} from {counted(outcome.files, 'file')}"
    if outcome.rows_rejected:
        counts += f", {outcome.rows_rejected:,} rejected"
    if outcome.rows_unmatched:
        counts += f", {outcome.rows_unmatched:,} unmatched"
    return f"{outcome.hour} {outcome.outcome}: {counts}, {outcome.seconds:.1f} s"


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
    return json_text(document)
