"""The metrics file: Prometheus's text format, for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from prometheus_client.parser import text_string_to_metric_families

HELP = {
    "bookreport_last_run_timestamp_seconds": "When the last run ended.",
    "bookreport_last_success_timestamp_seconds": "When the last run with exit code 0 ended.",
    "bookreport_last_exit_code": "Exit code of the last run.",
    "bookreport_last_run_seconds": "Wall time of the last run.",
    "bookreport_rows_loaded": "Rows that the last run loaded.",
    "bookreport_rows_rejected": "Records that the last run set aside.",
    "bookreport_rows_unmatched": "Rows that the last run loaded whose ISBN matches no book.",
    "bookreport_newest_loaded_hour_timestamp_seconds": "Start of the newest loaded hour.",
    "bookreport_failed_hours": "Hours whose last attempt failed.",
    "bookreport_missing_hours": "Hours neither loaded nor in the bucket, between the oldest and the newest known.",
    "bookreport_overdue_hours": "Hours of the look-back that have ended and have files, but no marker.",
}


def write(path: Path, figures: Mapping[str, float]) -> None:
    """Write `figures` by their names in HELP, beside `path`, and rename; what is not given keeps its last figure."""
    registry = CollectorRegistry()
    for name, figure in {**_last(path), **figures}.items():
        Gauge(name, HELP[name], registry=registry).set(figure)
    write_to_textfile(str(path), registry)


def _last(path: Path) -> dict[str, float]:
    """Return the figures of the run before; none when there is no file, or one that nobody can read."""
    try:
        families = list(text_string_to_metric_families(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
    return {sample.name: sample.value for family in families for sample in family.samples if sample.name in HELP}
