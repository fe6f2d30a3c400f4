"""The examples: each command, option, setting and metric in them exists, and each is of the form that its reader takes."""

import json
import re
import shlex
import subprocess
from configparser import ConfigParser
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml
from click.testing import CliRunner

import readme
from bookreport import examples, metrics
from bookreport.cli import commands
from bookreport.examples import EXAMPLES
from bookreport.hours import Hour
from readme import EVERY_COMMAND, ROOT
from typed import command_lines, dates, parse

CRON_LINE = re.compile(r"(?P<fields>(?:[0-9*,/-]+ ){5})(?P<command>\S.*)")
FIELD = re.compile(r"(?:\*|[0-9]+(?:-[0-9]+)?)(?:/[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*")
UNIT = re.compile(r"^# /etc/systemd/system/(\S+)\n(.*?)(?=^# /etc/|\Z)", re.DOTALL | re.MULTILINE)

JOBS = [line for name in ("crontab", "mail", "ping") for line in examples.text(name).splitlines() if CRON_LINE.fullmatch(line)]
LINES = [line for name in EXAMPLES for line in command_lines(examples.text(name))]


def printed(*arguments: str) -> str:
    ended = CliRunner(env={}).invoke(commands, ["examples", *arguments], standalone_mode=False)
    assert ended.exception is None
    return ended.stdout


def test_without_a_name_each_is_listed_with_what_it_is() -> None:
    assert [line.split(maxsplit=1) for line in printed().splitlines()] == [[name, told] for name, told in EXAMPLES.items()]
    assert {path.name for path in (ROOT / "src/bookreport/examples").iterdir()} | {"crontab"} == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_printed_as_it_is(name: str) -> None:
    assert printed(name) == examples.text(name)
    assert examples.text(name).endswith("\n")


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_of_an_example_parses(line: str) -> None:
    assert parse(line) in EVERY_COMMAND
    words = shlex.split(line)
    assert words[0].startswith("/")
    assert words[words.index("--env-file") + 1].startswith("/")


@pytest.mark.parametrize("job", JOBS)
def test_a_job_of_cron_has_five_fields_is_quiet_and_no_percent_ends_it(job: str) -> None:
    match = CRON_LINE.fullmatch(job)
    assert match
    assert all(FIELD.fullmatch(field) for field in match["fields"].split())
    assert not re.search(r"(?<!\\)%", job)  # cron reads it as a line break
    assert command_lines(job)
    assert "bookreport -q " in job


def test_whatever_is_named_within_a_sentence_exists() -> None:
    words = "".join(map(examples.text, EXAMPLES))
    options = {option for command in EVERY_COMMAND.values() for each in command.params for option in each.opts}
    of_others = {"--collector", "--now", "--retry", "--unit", "--user"}
    assert set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", words)) <= options | of_others
    told = {parse(line) for line in re.findall(r"`(bookreport [a-z][^`]*)`", words)}
    assert told == {"check", "examples", "skip", "status"}
    assert set(re.findall(r"\b(?:S3|MINIO|BOOKREPORT)_[A-Z_]+", words)) <= {name for name, *_ in readme.settings()}


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_each_metric_is_one_that_is_written(name: str) -> None:
    assert set(re.findall(r"\bbookreport_\w+", examples.text(name))) <= set(metrics.HELP)


def test_the_alert_rules_have_all_that_prometheus_asks_for() -> None:
    (group,) = yaml.safe_load(examples.text("prometheus"))["groups"]
    assert group["name"]
    for rule in group["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_dashboard_has_a_place_a_query_and_a_source_for_each_panel() -> None:
    board = json.loads(examples.text("grafana"))
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert variables == {"source", "instance"}
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells
        assert panel["datasource"]["uid"] == "${source}"
        assert all(target["expr"].count("$instance") == 1 for target in panel["targets"])
    assert max(x for x, _ in taken) == 23


def test_the_crontab_loads_and_checks_hourly_reloads_daily_looks_through_all_monthly_reports_weekly() -> None:
    crontab = examples.text("crontab")
    hourly, daily, monthly, checks, weekly = filter(CRON_LINE.fullmatch, crontab.splitlines())
    assert re.match(r"[0-9]+ \* \* \* \* .* run-hour ", hourly)
    assert re.match(r"[0-9]+ [0-9]+ \* \* \* .* ingest --changed --since ", daily)
    three_days_ago = datetime.now(UTC) - timedelta(days=3)
    assert abs(Hour.parse(dates(daily).split()[-1]).start - three_days_ago) <= timedelta(days=1, minutes=1)
    assert re.match(r"[0-9]+ [0-9]+ [0-9]+ \* \* .* ingest --all$", monthly)
    assert re.match(r"[0-9]+ \* \* \* \* .* check --max-age 3h$", checks)
    assert " --format html -o /" in weekly
    (mailto,) = re.findall(r"^MAILTO=\S+@\S+$", crontab, re.MULTILINE)
    assert f"{mailto}\n{hourly}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def tuesday(of: datetime, days: int) -> str:
    """Return what `date -u -d 'tuesday DAYS days'` makes of the moment `of`: from the Tuesday that it is, or else the next."""
    return f"{of.astimezone(UTC).date() + timedelta(days=(1 - of.astimezone(UTC).weekday()) % 7 + days)}T00"


@pytest.mark.parametrize("zone", ["Etc/GMT-14", "Asia/Kolkata", "UTC", "America/Los_Angeles", "Etc/GMT+12"])
def test_the_weekly_page_has_the_last_whole_week_of_utc_wherever_the_machine_stands(zone: str) -> None:
    weekly = [line for line in JOBS if " report " in line]
    assert len(weekly) == 2
    for line in weekly:
        minute, hour, *_, weekday = line.split()[:5]
        started = datetime(2024, 5, 12 + int(weekday), int(hour), int(minute), tzinfo=ZoneInfo(zone))
        offsets = [int(days) for days in re.findall(r"'tuesday (-[0-9]+) days?'", line)]
        assert [tuesday(started, days) for days in offsets] == ["2024-05-06T00", "2024-05-13T00"]
        # Its last hour was loaded by then.
        assert started > datetime(2024, 5, 13, 1, tzinfo=UTC)
        # The same as date has it, unless the day just ends.
        now = datetime.now(UTC) + timedelta(seconds=5)
        assert f"--since {tuesday(now, offsets[0])} --until {tuesday(now, offsets[1])} " in dates(line)


class CaseSensitive(ConfigParser):
    """Reads units of systemd, whose names keep their case."""

    def optionxform(self, name: str) -> str:
        return name


def units(name: str) -> dict[str, CaseSensitive]:
    """Return the units of an example by the name of their file."""
    found = {}
    for file, text in UNIT.findall(examples.text(name)):
        found[file] = CaseSensitive(interpolation=None)
        found[file].read_string(text)
    return found


def test_the_units_of_systemd_start_the_hourly_job_and_the_check() -> None:
    found = units("systemd")
    started = {}
    for file, unit in found.items():
        if file.endswith(".timer"):
            assert re.fullmatch(r"\*:[0-5][0-9]", unit["Timer"]["OnCalendar"])
            assert unit["Install"]["WantedBy"] == "timers.target"
            service = found[file.replace(".timer", ".service")]["Service"]
            assert service["Type"] == "oneshot"
            started[file] = parse(service["ExecStart"])
    assert started == {"bookreport.timer": "run-hour", "bookreport-check.timer": "check"}
    assert found["bookreport.timer"]["Timer"]["Persistent"] == "true"
    # It reads the file in another way than bookreport does.
    assert not re.search(r"^EnvironmentFile", examples.text("systemd"), re.MULTILINE)


def test_a_ping_tells_the_exit_code_whatever_it_is_and_changes_nothing_about_the_run() -> None:
    service = units("ping")["bookreport.service.d/ping.conf"]["Service"]
    assert all(service[name].startswith("-/") for name in ("ExecStartPre", "ExecStopPost"))
    end = shlex.split(service["ExecStopPost"])[-1].replace("$$", "$").replace("exec curl", "echo")
    for variables, told in (("EXIT_CODE=exited EXIT_STATUS=4", "4"), ("EXIT_CODE=killed EXIT_STATUS=TERM", "fail")):
        assert shell(f"export PING=ping {variables}; {end}").endswith(f"ping/{told}")
    (job,) = filter(CRON_LINE.fullmatch, examples.text("ping").splitlines())
    script = re.sub(r"/opt/bookreport/bin/bookreport .*?;", "(exit 3);", job.split(maxsplit=5)[5])
    assert [line.split()[-1] for line in shell(f"PING=ping; curl() {{ echo $*; }}; {script}").splitlines()] == [
        "ping/start",
        "ping/3",
    ]


def shell(script: str) -> str:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_the_unit_that_mails_failures_is_the_one_that_the_others_are_told_to_call() -> None:
    (name,) = units("mail")
    assert f"OnFailure={name.replace('@', '@%n')}" in examples.text("mail")


def test_the_policy_of_the_key_allows_to_list_and_get_and_no_more() -> None:
    example = examples.text("minio-policy")
    policy = json.loads(example.partition("<<'END'\n")[2].partition("END\n")[0])
    allowed = [(each["Effect"], each["Action"], each["Resource"]) for each in policy["Statement"]]
    bucket = "arn:aws:s3:::bookstore"
    assert allowed == [("Allow", "s3:ListBucket", bucket), ("Allow", "s3:GetObject", f"{bucket}/*")]
    script = "mc() { :; }; openssl() { echo secret; }; cd $(mktemp -d); " + example
    assert shell(script).splitlines() == ["MINIO_ROOT_USER=bookreport", "MINIO_ROOT_PASSWORD=secret"]
