"""The metrics file: Prometheus's text format, for node_exporter's textfile collector."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bookreport.errors import BookreportError, Configuration, Interrupted, Temporary
from bookreport.health import Status
from bookreport.outcomes import Ending, Outcome
from bookreport.output import Output
from bookreport.signals import interruptible

log = logging.getLogger(__name__)

HELP = {
    "bookreport_last_run_timestamp_seconds": "When the last run ended.",
    "bookreport_last_success_timestamp_seconds": "When the last run with exit code 0 ended; 0: never.",
    "bookreport_last_exit_code": "Exit code of the last run.",
    "bookreport_last_run_seconds": "Wall time of the last run.",
    "bookreport_rows_loaded": "Rows loaded by the last run.",
    "bookreport_rows_rejected": "Records rejected by the last run.",
    "bookreport_rows_unmatched": "Rows loaded by the last run whose ISBN matches no book.",
    "bookreport_newest_loaded_hour_timestamp_seconds": "Start of the newest loaded hour; 0: none is known.",
    "bookreport_failed_hours": "Hours whose last attempt failed.",
    "bookreport_missing_hours": "Hours neither loaded nor in the bucket, between the oldest and newest known hour.",
    "bookreport_overdue_hours": "Hours in the look-back that have ended and have files but no marker.",
}
AT_FIRST = dict.fromkeys(("bookreport_last_success_timestamp_seconds", "bookreport_newest_loaded_hour_timestamp_seconds"), 0.0)
"""Figures that are there from the first run on, so that an alert can fire that compares them with the time."""


@contextmanager
def measured(path: Path | None) -> Iterator[dict[str, float] | None]:
    """Yield a dict for a run's figures, and write them to the file `path`, however the run ends; yield None without a path.

    The block sets the exit code, unless it raises. Raises Configuration, before any work is done, if the file could not be
    written.
    """
    if path is None:
        yield None
        return
    Output(path).require_writable()
    began = time.time()
    figures: dict[str, float] = {"bookreport_last_exit_code": BookreportError.exit_code}
    add_outcomes(figures, ())
    try:
        with interruptible():
            yield figures
    except (BookreportError, Interrupted) as error:
        figures["bookreport_last_exit_code"] = error.exit_code
        raise
    finally:
        ended = time.time()
        figures |= {"bookreport_last_run_timestamp_seconds": ended, "bookreport_last_run_seconds": ended - began}
        if not figures["bookreport_last_exit_code"]:
            figures["bookreport_last_success_timestamp_seconds"] = ended
        failure: Configuration | None = None
        try:
            write(path, figures)
        except Configuration as error:
            failure = error
        if failure is not None:
            # Not raised: how the run itself ended is what matters.
            log.error("%s", failure.message)


@contextmanager
def standing(figures: dict[str, float] | None, status: Callable[[], Status]) -> Iterator[None]:
    """Set the figures of how the hours stand at the end of the block, also if it fails; unknown ones keep their last value."""
    try:
        yield
    except Temporary:
        # Asked once more, a server that is out of reach would take as long again.
        raise
    except BookreportError:
        _add_status(figures, status)
        raise
    _add_status(figures, status)


def add_outcomes(figures: dict[str, float] | None, outcomes: Sequence[Outcome]) -> None:
    """Set the figures of the rows that the run loaded, rejected or found unmatched."""
    if figures is None:
        return
    done = [outcome for outcome in outcomes if outcome.outcome in (Ending.LOADED, Ending.RELOADED)]
    for name in ("rows_loaded", "rows_rejected", "rows_unmatched"):
        figures[f"bookreport_{name}"] = sum(getattr(outcome, name) for outcome in done)


def _add_status(figures: dict[str, float] | None, status: Callable[[], Status]) -> None:
    if figures is None:
        return
    try:
        found = status()
    except BookreportError as error:
        log.warning("the metrics keep the last numbers of failed, missing and overdue hours: %s", error.message)
        return
    if found.newest_loaded is not None:
        figures["bookreport_newest_loaded_hour_timestamp_seconds"] = found.newest_loaded.start.timestamp()
    counts = {"failed": len(found.failed), "missing": found.missing_hours, "overdue": len(found.overdue)}
    figures.update({f"bookreport_{name}_hours": number for name, number in counts.items()})


def write(path: Path, figures: Mapping[str, float]) -> None:
    """Write `figures` by their names in HELP as `Output.write` does; those not given keep their last value.

    Raises Configuration if they can't be written.
    """
    # Slow to import, and most runs write no metrics.
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    for name, figure in {**AT_FIRST, **_last(path), **figures}.items():
        Gauge(name, HELP[name], registry=registry).set(figure)
    Output(path).write(generate_latest(registry).decode())


def _last(path: Path) -> dict[str, float]:
    """Return the figures of the previous run; none if there is no file, or an unreadable one."""
    from prometheus_client.parser import text_string_to_metric_families

    if Output(path).file_time is None:
        # A device has no last figures, and perhaps no end.
        return {}
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
    return {sample.name: sample.value for family in families for sample in family.samples if sample.name in HELP}
