"""Examples of what surrounds bookreport on a server, to be adapted; each is a file in `examples/`."""

from __future__ import annotations

from pathlib import Path

EXAMPLES = {
    "crontab": "Cron jobs: load, check, and the page of the week.",
    "systemd": "The hourly load and the check as timers of systemd.",
    "prometheus": "Alert rules over the metrics of --metrics-file.",
    "grafana": "A dashboard over the same metrics, to be imported.",
    "mail": "Mail: failures from cron and from systemd, and the page of the week.",
    "ping": "A dead man's switch, such as healthchecks.io, around the hourly load.",
    "sql": "Queries for BI: by day, by format and language, best sellers, hours that are missing.",
    "minio-policy": "A key for MinIO or AWS that can read one bucket and do nothing else.",
}
"""The examples by name, each with what it is."""


def text(name: str) -> str:
    """Return the example `name` whole. The crontab of a checkout lies at its top; a wheel has it among the others."""
    package = Path(__file__).parent
    path = package / "examples" / name
    return (path if path.is_file() else package.parents[1] / f"{name}.example").read_text(encoding="utf-8")
