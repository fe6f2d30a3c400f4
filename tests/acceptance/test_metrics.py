"""The metrics of a run, however it ends; and each alert of `bookreport examples prometheus`, in the case that it is for."""

import math
import os
import re
import signal
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bookreport import examples
from bookreport.hours import Hour
from bookstore import ENGLISH, HOUR, UNKNOWN, Bookstore, csv_file
from running import Finish, Run, Start
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH), Purchase("ben", ENGLISH), Purchase("eva", UNKNOWN)])
BAD = b"who,what\n1,2\n"

RULES = {
    rule["alert"]: rule["expr"] for group in yaml.safe_load(examples.text("prometheus"))["groups"] for rule in group["rules"]
}
RULE = re.compile(r"absent\((?P<absent>\w+)\)|(?P<age>time\(\) - )?(?P<metric>\w+) (?P<sign>>|!=) (?P<limit>[0-9 *]+)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bookreport.prom"


def metrics(path: Path) -> dict[str, float]:
    families = list(text_string_to_metric_families(path.read_text() if path.exists() else ""))
    assert all(sample.timestamp is None for family in families for sample in family.samples)
    assert all(family.documentation for family in families)
    return {sample.name: sample.value for family in families for sample in family.samples}


def alerts(path: Path, later: float = 0) -> set[str]:
    """Return the alerts whose rule holds, as Prometheus would find it `later` (seconds) if nothing changed until then."""
    known, now = metrics(path), time.time() + later

    def holds(expression: str) -> bool:
        rule = RULE.fullmatch(expression)
        assert rule, expression
        if rule["absent"]:
            return rule["absent"] not in known
        if rule["metric"] not in known:
            return False
        value = now - known[rule["metric"]] if rule["age"] else known[rule["metric"]]
        limit = math.prod(int(number) for number in rule["limit"].split("*"))
        return value > limit if rule["sign"] == ">" else value != limit

    return {name.removeprefix("Bookreport") for name, expression in RULES.items() if holds(expression)}


def test_all_is_quiet_after_a_run_that_loaded_the_newest_hour_until_no_further_run_comes(
    bookstore: Bookstore, bookreport: Run, path: Path
) -> None:
    assert alerts(path) == {"HasNoMetrics"}
    bookstore.fill(Hour.last(), FILE)
    assert bookreport("run-hour", "--metrics-file", str(path)).code == 0
    assert alerts(path) == set()
    assert alerts(path, later=2 * 3600) == {"DoesNotRun"}
    assert alerts(path, later=5 * 3600) == {"DoesNotRun", "NeverSucceeds", "NewestHourOld"}


@pytest.mark.parametrize(
    ("code", "arguments", "settings"),
    [
        (6, ["run-hour"], {"S3_BUCKET": None}),
        (6, ["run-hour", "--env-file", "absent.env"], {}),
        (6, ["run-hour", "-o", "absent/{hour}.json"], {}),
        (2, ["ingest", "--all", "--hour", str(HOUR)], {}),
    ],
    ids=["settings missing", "no settings file", "no directory", "usage"],
)
def test_a_run_that_fails_before_it_begins_fires_the_alerts_of_one_that_never_succeeded(
    bookreport: Run, path: Path, code: int, arguments: list[str], settings: dict[str, str | None]
) -> None:
    assert bookreport(*arguments, "--metrics-file", str(path), **settings).code == code
    assert metrics(path)["bookreport_last_exit_code"] == code
    assert alerts(path) == {"Fails", "NeverSucceeds", "NewestHourOld"}


def test_a_signal_before_the_run_begins_is_in_the_metrics_too(start: Start, finish: Finish, path: Path) -> None:
    os.mkfifo(path.with_name("settings"))
    process = start("run-hour", "--env-file", "settings", "--metrics-file", str(path))
    # It opens once the command reads its settings, which then never come.
    with path.with_name("settings").open("wb"):
        process.send_signal(signal.SIGTERM)
        assert finish(process).code == 143
    assert metrics(path)["bookreport_last_exit_code"] == 143


def test_metrics_tell_the_last_run_and_keep_what_a_failed_run_cannot_know(
    bookstore: Bookstore, bookreport: Run, path: Path
) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 2, BAD)
    bookstore.write(HOUR + 3, "purchases-1.csv", FILE)
    bookstore.fill(HOUR + 4, FILE)
    began = time.time()
    assert bookreport("run-hour", "--metrics-file", str(path)).code == 4
    first = metrics(path)
    assert began <= first.pop("bookreport_last_run_timestamp_seconds") <= time.time()
    assert 0 < first.pop("bookreport_last_run_seconds") <= time.time() - began
    assert first == {
        "bookreport_last_exit_code": 4,
        "bookreport_last_success_timestamp_seconds": 0,
        "bookreport_rows_loaded": 6,
        "bookreport_rows_rejected": 0,
        "bookreport_rows_unmatched": 2,
        "bookreport_newest_loaded_hour_timestamp_seconds": (HOUR + 4).start.timestamp(),
        "bookreport_failed_hours": 1,
        "bookreport_missing_hours": 1,
        "bookreport_overdue_hours": 1,
    }
    assert alerts(path) == {"Fails", "NeverSucceeds", "HoursFailed", "HoursMissing", "HoursOverdue", "NewestHourOld"}
    assert bookreport("ingest", "--hour", str(HOUR), "--metrics-file", str(path)).code == 0
    assert metrics(path)["bookreport_rows_loaded"] == 0
    bookstore.fill(HOUR + 2, FILE)
    # What was loaded, and how the hours stand, is known although no report can be written.
    path.with_name(f"{HOUR + 2}.json").mkdir()
    assert bookreport("run-hour", "--json", "-o", "{hour}.json", "--metrics-file", str(path)).code == 6
    second = metrics(path)
    assert [second[f"bookreport_{name}"] for name in ("last_exit_code", "failed_hours", "rows_loaded")] == [6, 0, 3]
    bookreport("run-hour", "--metrics-file", str(path), DATABASE_URL="postgresql://postgres@127.0.0.1:1/none")
    third = metrics(path)
    assert (third["bookreport_last_exit_code"], third["bookreport_rows_loaded"]) == (5, 0)
    for kept in ("last_success_timestamp_seconds", "newest_loaded_hour_timestamp_seconds", "missing_hours", "overdue_hours"):
        assert third[f"bookreport_{kept}"] == second[f"bookreport_{kept}"]
    assert [file.name for file in path.parent.glob("*.prom*")] == ["bookreport.prom"]
