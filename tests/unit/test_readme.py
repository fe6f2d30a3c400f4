import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

import documents
import readme
from bookreport import settings
from bookreport.cli import COMMANDS
from bookreport.errors import BookreportError, Interrupted
from bookreport.reports import SPANISH
from readme import EVERY_COMMAND, ROOT
from typed import command_lines, parse

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", README, re.DOTALL | re.MULTILINE)


README_LINES = [line for language in ("sh", "text") for block in blocks(language) for line in command_lines(block)]


@pytest.mark.parametrize("line", README_LINES)
def test_a_command_line_of_the_readme_parses(line: str) -> None:
    assert parse(line) in EVERY_COMMAND


@pytest.mark.parametrize("line", re.findall(r"`(bookreport [a-z][^`]*)`", README))
def test_a_command_within_a_sentence_of_the_readme_parses(line: str) -> None:
    assert parse(line) in EVERY_COMMAND


def test_the_check_of_command_lines_refuses_what_click_refuses() -> None:
    with pytest.raises(click.UsageError):
        parse("bookreport report --hours 2022-12-08T01")
    assert len(README_LINES) >= 10


@pytest.mark.parametrize("name", sorted(EVERY_COMMAND))
def test_a_command_and_its_options_have_help_and_it_is_in_the_table_of_the_readme(name: str) -> None:
    command = EVERY_COMMAND[name]
    assert command.help
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []
    assert re.search(rf"^\| `{name}` \| [A-Z].*\. \|$", README, re.MULTILINE)


def test_the_parts_of_the_readme_that_are_taken_from_the_code_are_current() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", "-I", "tests", "README.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, f"run: make readme\n{checked.stdout}{checked.stderr}"


def test_the_readme_shows_headers_that_are_read_and_headers_that_are_refused() -> None:
    refused = [line for line in readme.header_table().splitlines() if "**refused**" in line]
    assert (len(readme.HEADERS), len(refused)) == (6, 2)


def test_the_env_example_names_exactly_the_settings_that_are_read_and_explains_each() -> None:
    source = Path(settings.__file__).read_text(encoding="utf-8")
    read = {*re.findall(r'_get\("([A-Z0-9_]+)"\)', source), *settings.POSTGRES}
    purposes = {name: purpose for name, _, purpose, _ in readme.settings()}
    assert set(purposes) == read
    assert all(purposes.values())
    assert len(set(purposes.values())) == len(purposes)


def test_the_env_example_is_all_that_the_servers_and_bookreport_need() -> None:
    environment = {name: value for name, value, _, commented in readme.settings() if not commented}
    settings.Settings(environment).require(bucket=True, database=True)
    demanded = re.findall(r"\$\{([A-Z0-9_]+):\?", COMPOSE)
    assert {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "POSTGRES_PASSWORD"} <= set(demanded) <= set(environment)


def test_a_default_in_the_env_example_is_what_counts_where_the_setting_is_absent() -> None:
    given = {name: value for name, value, _, commented in readme.settings() if not commented}
    defaults = {name: value for name, value, _, commented in readme.settings() if commented and value}
    assert len(defaults) > 5
    absent, told = settings.Settings(given), settings.Settings(given | defaults)
    names = [name for name, member in vars(settings.Settings).items() if isinstance(member, property)]
    for name in set(names) - {"database_url", "of_database", "language"}:
        assert getattr(absent, name) == getattr(told, name), name
    assert (absent.language or SPANISH) == told.language
    # libpq's own port is the default.
    assert absent.database_url == told.database_url.replace(":5432/", "/")


def test_docker_compose_brings_both_servers_healthy_on_the_loopback_and_makes_the_bucket() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    assert set(services) == {"minio", "postgres", "bucket"}
    for name in ("minio", "postgres"):
        assert services[name]["healthcheck"]["test"]
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
    assert services["bucket"]["depends_on"] == {"minio": {"condition": "service_healthy"}}
    # Compose takes a container that has ended for a failure of `up --wait`, unless another service waits for its success.
    assert services["postgres"]["depends_on"] == {"bucket": {"condition": "service_completed_successfully"}}
    assert "docker compose up -d --wait" in README
    assert "mc mb" in services["bucket"]["command"][0]


def subclasses(error: type[BookreportError]) -> set[type[BookreportError]]:
    return {error}.union(*map(subclasses, error.__subclasses__()))


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    section = README.partition("## Exit codes\n")[2].partition("\n## ")[0]
    told = {(int(code), kind.strip()) for code, kind in re.findall(r"^\| ([0-9]+) \|([^|]*)\|", section, re.MULTILINE)}
    failures = {(error.exit_code, error.kind) for error in subclasses(BookreportError)}
    interruptions = {(Interrupted(number).exit_code, Interrupted.kind) for number in (signal.SIGINT, signal.SIGTERM)}
    assert told == {(0, "")} | failures | interruptions


@pytest.mark.parametrize("block", blocks("json"))
def test_json_in_the_readme_fits_its_schema(block: str) -> None:
    documents.read(block)


def test_links_within_the_readme_lead_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert {link for link in re.findall(r"\]\(#([^)]+)\)", README) if link not in anchors} == set()


def test_files_that_the_readme_links_to_are_there() -> None:
    assert [link for link in re.findall(r"\]\(([^#)][^)]*)\)", README) if not (ROOT / link).is_file()] == []


def test_each_test_that_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", README))
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in written} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_of_a_command_is_the_beginning_of_its_help(name: str) -> None:
    line = COMMANDS[name][1]
    assert " ".join((EVERY_COMMAND[name].help or "").split()).startswith(line.removesuffix("."))
