"""The state of things, and what the commands about it found or did: rejects, verify, status, check, prune and so on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from bookreport.hours import Hour, Span, hours_in_words, spans_in_words
from bookreport.messages import plain
from bookreport.present.words import (
    as_csv,
    as_table,
    counted,
    far_off_json,
    instant,
    unusual_in_words,
    unusual_json,
)

if TYPE_CHECKING:
    # Only types are needed here: a report must not wait for boto3.
    from bookreport.catalogue import Refresh
    from bookreport.check import Check
    from bookreport.erase import Trace
    from bookreport.health import Status, Verification
    from bookreport.ledger import SetAside
    from bookreport.prune import Known, PrunedMonth


def rejects_json(rejects: Sequence[SetAside], total: int) -> dict[str, object]:
    """Return rejects, of `total` that there are, as `bookreport.rejects/1`."""
    return {
        "schema": "bookreport.rejects/1",
        "total": total,
        "rejects": [asdict(reject) | {"hour": reject.hour.instant} for reject in rejects],
    }


def rejects_csv(rejects: Sequence[SetAside], *, excel: bool = False) -> str:
    """Return rejects as CSV."""
    rows = [(reject.hour.instant, reject.key, reject.line_number, reject.reason, reject.raw) for reject in rejects]
    return as_csv(("hour", "key", "line_number", "reason", "raw"), rows, texts=(1, 3, 4), excel=excel)


def rejects_table(rejects: Sequence[SetAside]) -> str:
    """Return rejects as text for a terminal."""
    rows = [
        (str(reject.hour), plain(reject.key), f"{reject.line_number:,}", plain(reject.reason), plain(reject.raw or ""))
        for reject in rejects
    ]
    return as_table(("Hour", "File", "Line", "Reason", "Raw"), rows, right=(2,))


def verification_json(found: Verification) -> dict[str, object]:
    """Return what verify found as `bookreport.verify/1`."""
    return {
        "schema": "bookreport.verify/1",
        "hours": found.hours,
        "slice": found.part and str(found.part),
        "differences": [
            {"hour": each.hour.instant, "kind": each.kind, "key": each.key, "message": each.message}
            for each in found.differences
        ],
    }


def verification_table(found: Verification) -> str:
    """Return the differences that verify found as text for a terminal."""
    rows = [(str(each.hour), each.kind, plain(each.message)) for each in found.differences]
    return as_table(("Hour", "Kind", "Difference"), rows)


def verification_remedy(found: Verification) -> str:
    """Return in words what reloads the hours that differ."""
    changed, others = found.changed, found.otherwise_changed
    if len(changed) == 1:
        others, changed = sorted(changed + others), []
    remedies = []
    if changed:
        span = f"--since {changed[0]} --until {changed[-1] + 1}"
        remedies.append(f"reload hours whose files changed: bookreport ingest --changed {span} --max-reload {len(changed)}")
    if others:
        what = "reload it" if len(others) == 1 else "reload each of the others" if changed else "reload each"
        remedies.append(f"{what}: bookreport run-hour --hour {others[0]}")
    return "; ".join(remedies) or "an hour can be reloaded once it has its marker again"


def status_json(found: Status) -> dict[str, object]:
    """Return the state of the hours as `bookreport.status/1`."""
    return {
        "schema": "bookreport.status/1",
        "newest_loaded": found.newest_loaded.instant if found.newest_loaded else None,
        "loaded": found.loaded,
        "failed": [asdict(failure) | {"hour": failure.hour.instant} for failure in found.failed],
        "failed_reloads": [asdict(failure) | {"hour": failure.hour.instant} for failure in found.failed_reloads],
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
        "far_off": far_off_json(found.far_off),
        "far_off_loaded": [_hours_json(span) for span in found.far_off_loaded],
        "stray": list(found.stray),
        "unusual": unusual_json(found.unusual),
        "rejected_rows": found.rejected_rows,
        "rows_unmatched": found.rows_unmatched,
    }


def status_text(found: Status) -> str:
    """Return the state of the hours as text for a terminal."""
    newest = f"; the newest is {found.newest_loaded}" if found.newest_loaded else ""
    lines = [f"{'Loaded':<10}{counted(found.loaded, 'hour')}{newest}"]
    lines += [
        f"{'Failed':<10}{failure.hour} ({counted(failure.attempts, 'attempt')}): {plain(failure.error)}"
        for failure in found.failed
    ]
    lines += [
        f"{'Loaded':<10}{failure.hour}, but its last reload failed; the earlier load counts: {plain(failure.error)}"
        for failure in found.failed_reloads
    ]
    come = {hour: f"; complete now, so load it: bookreport run-hour --hour {hour}" for hour in found.come}
    lines += [f"{'Skipped':<10}{hour}: {plain(reason)}{come.get(hour, '')}" for hour, reason in found.skipped]
    lines += [f"{'Pruned':<10}{counted(found.pruned, 'hour')}"] if found.pruned else []
    told = {
        "Pending": (found.pending, "complete, but not loaded yet"),
        "Overdue": (found.overdue, f"files, but no {plain(found.marker)} from whoever writes them"),
    }
    lines += [
        f"{name:<10}{counted(len(hours), 'hour')} ({meaning}): {hours_in_words(hours)}"
        for name, (hours, meaning) in told.items()
        if hours
    ]
    if found.gaps:
        hours = counted(found.missing_hours, "hour")
        lines.append(f"{'Missing':<10}{hours} (neither loaded nor in the bucket): {spans_in_words(found.gaps)}")
    if found.unlooked:
        lines.append(
            f"{'Older':<10}{counted(found.unlooked, 'hour')} (in the bucket before {found.looked_from}, not loaded):"
            " see bookreport ingest --all"
        )
    lines += [f"{'Unusual':<10}{line}" for line in unusual_in_words(found.unusual)]
    lines += _far_off_lines(found)
    lines += [f"{'Rejected':<10}{counted(found.rejected_rows, 'row')}"] if found.rejected_rows else []
    lines += [f"{'Unmatched':<10}{counted(found.rows_unmatched, 'row')}"] if found.rows_unmatched else []
    return "\n".join([*lines, "To check for changed files: bookreport verify"])


def _far_off_lines(found: Status) -> list[str]:
    lines = []
    if found.far_off:
        names = ", ".join(plain(each.prefix) for each in found.far_off[:6])
        more = f" and {len(found.far_off) - 6:,} more" if len(found.far_off) > 6 else ""
        lines.append(f"{'Far off':<10}{names}{more} (implausible dates, ignored): see bookreport check")
    if found.far_off_loaded:
        hours = counted(sum(map(len, found.far_off_loaded)), "loaded hour")
        spans = spans_in_words(found.far_off_loaded)
        lines.append(f"{'Far off':<10}{hours} (implausible dates, not counted): {spans}; see bookreport check")
    if found.stray:
        names = ", ".join(map(plain, found.stray[:6])) + (f" and {len(found.stray) - 6:,} more" if len(found.stray) > 6 else "")
        lines.append(
            f"{'Stray':<10}{names} (in no hour's partition, not loaded): move them, or list a pattern in BOOKREPORT_IGNORE"
        )
    return lines


def _hours_json(span: Span) -> dict[str, object]:
    return {"since": span.since.instant, "until": span.until.instant, "hours": len(span)}


def refresh_json(done: Refresh, days_built: int) -> dict[str, object]:
    """Return what a refresh of the catalogue did, and how many days were built, as `bookreport.refresh/1`."""
    return {
        "schema": "bookreport.refresh/1",
        "catalogue_as_of": instant(done.as_of),
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
        "days_built": days_built,
    }


def migrated_json(schema: str, books: str, revision: str) -> dict[str, object]:
    """Return the schema and revision of the tables, and where the books are, as `bookreport.migrate/1`."""
    return {"schema": "bookreport.migrate/1", "tables": schema, "books": books, "revision": revision}


def skipped_json(span: Span, reason: str) -> dict[str, object]:
    """Return the hours that were given up, and why, as `bookreport.skip/1`."""
    return {"schema": "bookreport.skip/1", "hour": span.since.instant, "hours": len(span), "reason": reason}


def unskipped_json(hour: Hour, status: str | None) -> dict[str, object]:
    """Return the hour that is no longer given up, and its state, as `bookreport.unskip/1`."""
    return {"schema": "bookreport.unskip/1", "hour": hour.instant, "status": status}


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
    return as_table(("Span", "Hours", "Rows"), rows, right=(1, 2))


def erased_json(traces: Sequence[Trace], users: int) -> dict[str, object]:
    """Return where so many users were erased as `bookreport.erase/1`."""
    spans = Span.runs(trace.hour for trace in traces)
    return {
        "schema": "bookreport.erase/1",
        "users": users,
        "hours": len(traces),
        "rows": sum(trace.rows for trace in traces),
        "rejects": sum(trace.rejects for trace in traces),
        "errors": sum(trace.errors for trace in traces),
        "spans": [_hours_json(span) for span in spans],
    }


def erased_table(traces: Sequence[Trace]) -> str:
    """Return where users were erased as text for a terminal: each run of hours on a line."""
    rows = []
    for span in Span.runs(trace.hour for trace in traces):
        within = [trace for trace in traces if trace.hour in span]
        counts = (len(within), *(sum(getattr(trace, name) for trace in within) for name in ("rows", "rejects", "errors")))
        rows.append((str(span), *(f"{count:,}" for count in counts)))
    return as_table(("Span", "Hours", "Rows", "Rejects", "Errors"), rows, right=(1, 2, 3, 4))


def erased_words(traces: Sequence[Trace]) -> str:
    """Return how much of users was found, and in which hours, in words."""
    rows, rejects, errors = (sum(getattr(trace, name) for trace in traces) for name in ("rows", "rejects", "errors"))
    hours = hours_in_words([trace.hour for trace in traces])
    return (
        f"{counted(rows, 'row')}, {counted(rejects, 'reject')} and {counted(errors, 'error')}"
        f" of {counted(len(traces), 'hour')}: {hours}"
    )


def forgotten_json(hours: Sequence[Known]) -> dict[str, object]:
    """Return the hours that were forgotten as `bookreport.forget/1`."""
    return {
        "schema": "bookreport.forget/1",
        "hours": [
            {"hour": known.hour.instant, "status": known.status, "rows": known.rows, "rejects": known.rejects}
            for known in hours
        ],
        "rows": sum(known.rows for known in hours),
        "rejects": sum(known.rejects for known in hours),
    }


def forgotten_table(hours: Sequence[Known]) -> str:
    """Return the hours that were forgotten as text for a terminal."""
    rows = [(str(each.hour), each.status or "(not in the ledger)", f"{each.rows:,}", f"{each.rejects:,}") for each in hours]
    return as_table(("Hour", "Was", "Rows", "Rejects"), rows, right=(2, 3))


def forgotten_words(hours: Sequence[Known]) -> str:
    """Return how much is known of hours in words."""
    rows, rejects = sum(known.rows for known in hours), sum(known.rejects for known in hours)
    named = hours_in_words([known.hour for known in hours])
    return f"{counted(rows, 'row')} and {counted(rejects, 'reject')} of {counted(len(hours), 'hour')}: {named}"


def checks_json(checks: Sequence[Check]) -> dict[str, object]:
    """Return checks as `bookreport.check/1`."""
    return {
        "schema": "bookreport.check/1",
        "ok": all(check.ok for check in checks),
        "checks": [{"name": check.name, "ok": check.ok, "message": check.message, "hint": check.hint} for check in checks],
    }


def checks_text(checks: Sequence[Check]) -> str:
    """Return checks as text for a terminal: one line each, with a hint below it."""
    lines = []
    for check in checks:
        lines.append(f"{check.name:<12}{'OK' if check.ok else 'FAILED':<8}{plain(check.message)}")
        lines += [f"{'':<20}{plain(check.hint)}"] if check.hint else []
    return "\n".join(lines)
