"""Every hint is followed: in the state in which it is printed, the command that it names helps."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

import bookreport
from bookreport.cli import commands
from bookreport.hours import Hour
from bookstore import BOOKS, ENGLISH, HOUR, Bookstore, csv_file, write_books
from commands import Commands, Ended
from connection import Sql
from readme import EVERY_COMMAND
from truth import Purchase

SOURCE = Path(bookreport.__file__).parent
MENTION = re.compile(rf"\bbookreport ({'|'.join(EVERY_COMMAND)})\b")
WORD = re.compile(r"\s+('[^']*'|[^\s;,)]*[^\s;,.)])")


def texts(*, docstrings: bool) -> Iterator[str]:
    """Give the texts of the source that name a command, with {} for what is put into them."""
    for path in sorted(SOURCE.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        parts = {part for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        if not docstrings:
            parts |= {node.value for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            text = ""
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
                text = re.sub("%[sd]", "{}", node.value)
            if MENTION.search(text):
                yield text


def command_lines(text: str, value: str = "") -> list[list[str]]:
    """Return the commands that a text names, each with its options; `value` stands for HOUR, and for what is put into it."""
    lines = []
    for mention in MENTION.finditer(text):
        options = {name: option for option in EVERY_COMMAND[mention[1]].params for name in option.opts}
        line, at = [mention[1]], mention.end()
        while (word := WORD.match(text, at)) and word[1] in options:
            line, at = [*line, word[1]], word.end()
            option = options[word[1]]
            if isinstance(option, click.Option) and not option.is_flag and (word := WORD.match(text, at)):
                given = "1" if option.name in ("most_changed", "max_reload", "reject_limit") else value
                line, at = [*line, *shlex.split(given if word[1] in ("{}", "HOUR") else word[1])], word.end()
        lines.append(line)
    return lines


@pytest.mark.parametrize("text", sorted(set(texts(docstrings=True))))
def test_a_command_that_a_text_names_parses(text: str) -> None:
    lines = command_lines(text, "public.books" if "--books {}" in text else str(HOUR))
    assert lines
    for name, *arguments in lines:
        with commands.make_context("bookreport", [name, *arguments]) as context:
            EVERY_COMMAND[name].make_context(name, arguments, parent=context).close()


@pytest.mark.parametrize("name", ["ingest", "run-hour"])
def test_the_help_of_what_loads_names_the_marker(name: str) -> None:
    assert {"FULL", "BOOKREPORT_MARKER"} <= set(re.findall("[A-Z_]+", EVERY_COMMAND[name].help or ""))


class Shop:
    """A bookstore, and whoever loads its hours."""

    def __init__(self, run: Callable[[list[str], dict[str, str]], Ended], sql: Sql, bookstore: Bookstore) -> None:
        self.sql, self.bookstore = sql, bookstore
        self.settings: dict[str, str] = {}
        self._run = run

    def run(self, *line: str) -> str:
        ended = self._run(list(line), self.settings)
        return ended.out + ended.err


Step = Callable[[Shop], object]


def steps(*each: Step) -> Step:
    return lambda shop: [step(shop) for step in each]


def sql(*statements: str) -> Step:
    return lambda shop: [shop.sql(statement) for statement in statements]


def run(line: str) -> Step:
    return lambda shop: shop.run(*shlex.split(line))


def fill(hour: Hour = HOUR, rows: int = 1) -> Step:
    return lambda shop: shop.bookstore.fill(hour, csv_file([Purchase("ana", ENGLISH)] * rows))


def put(key: str, content: str = "") -> Step:
    return lambda shop: shop.bookstore.put(key, content.encode())


def books(table: str = "public.books") -> Step:
    return lambda shop: write_books(shop.sql, BOOKS, table)


def settings(**given: str) -> Step:
    return lambda shop: shop.settings.update(given)


def make_the_view(shop: Shop) -> None:
    (statement,) = re.findall("create view [^;]*", shop.run("migrate", "--books", "titles"))
    shop.sql(statement)


def load_few(shop: Shop) -> None:
    """Of two hours with far fewer rows than in the weeks before, the first was loaded just now."""
    for week in range(6):
        for number in (0, 1):
            rows, ago = (200, "1 day") if week else (50, f"{2 * number} hours")
            shop.sql(
                "insert into ledger (hour, status, rows_loaded, loaded_at) values (%s, 'loaded', %s, now() - %s::interval)",
                (HOUR + (number - 168 * week)).start,
                rows,
                ago,
            )


OPEN = put(f"{HOUR.partition}purchases-1.csv", csv_file([Purchase("ana", ENGLISH)]).decode())
LOADED = steps(fill(), run("ingest"))
FAILED = steps(put(f"{HOUR.partition}purchases-1.csv", "user_id\nana\n"), put(f"{HOUR.partition}FULL"), run("ingest"))
ALL_BAD = steps(put(f"{HOUR.partition}a.csv", f"user_id,isbn10,price\nana,{ENGLISH},x\n"), put(f"{HOUR.partition}FULL"))
SKIPPED = run(f"skip --hour {HOUR} --reason lost")
FAR_OFF = steps(put("year=2062/month=01/a.csv"), put("year=2063/month=01/a.csv"))
FAR_OFF_LOADED = sql("insert into ledger (hour, status) values ('2062-05-01T13:00Z', 'loaded')")
NO_TABLES = sql("drop schema bookreport cascade")
TITLES = sql("drop table public.books", "create table public.titles (code text, binding text, lang text)")

ONE, SOME = f"report --hour {HOUR}", f"report --since {HOUR} --until {HOUR + 2}"


@dataclass(frozen=True)
class Case:
    """A hint, the command that prints it, and the state in which it does.

    `then`: what the command that it names tells; without it, the hint is not printed again. `cure`: what is to be done first.
    """

    hint: str
    command: str
    state: Step
    then: str = ""
    cure: Step | None = None


CASES = [
    Case("run: bookreport migrate", "ingest", NO_TABLES),
    Case("run: bookreport migrate", "ingest", sql("drop table source"), "has lost source"),
    Case("run: bookreport migrate", "ingest", steps(NO_TABLES, TITLES, run("migrate")), "create view"),
    Case("create the books table", "migrate --books books", sql("drop table public.books"), "", books()),
    Case("make a view that has them", "migrate --books titles", TITLES, "books are in", make_the_view),
    Case("name the books table", "migrate --books books", sql("alter table public.books rename to titles"), "books are in"),
    Case("run once: bookreport run-hour --new-source", "ingest", steps(LOADED, settings(S3_PREFIX="sales/"))),
    Case("choose one", "migrate", steps(NO_TABLES, books("public.titles"))),
    Case("if it was changed or replaced", "ingest", sql('alter table public.books rename "Format" to binding'), "create view"),
    Case("if it was changed or replaced", "ingest", sql("alter table public.books rename to titles"), "--books public.titles"),
    Case(
        "next: bookreport migrate",
        "sample --hours 1 --rows 9 --titles 9",
        steps(NO_TABLES, sql("drop table public.books")),
        "books are in",
    ),
    Case("more (see: bookreport status)", "check", FAR_OFF, "year=2063"),
    Case("are unusual (see: bookreport status)", "check", load_few, "Unusual"),
    Case("Once they are right", "check", load_few, "", fill(rows=200)),
    Case("run: bookreport run-hour", "check", fill()),
    Case("remove them: bookreport prune", "check", FAR_OFF_LOADED),
    Case("load it: bookreport run-hour", "check", steps(SKIPPED, fill())),
    Case("see why no run loads it", "check --max-age 3h", steps(fill(HOUR + -1), run("ingest"), fill())),
    Case("see what is holding up", "check --max-age 3h", steps(LOADED, settings(S3_PREFIX="sales/")), "--new-source"),
    Case("bookreport skip --hour", "check", FAILED),
    Case("bookreport skip --since", "check", steps(fill(HOUR + -3), run("ingest --all"), LOADED)),
    Case("to load what has come before", "check", steps(fill(HOUR + -400), run("ingest"), LOADED, fill(HOUR + -300)), "loaded"),
    Case("to undo, for each", f"skip --since {HOUR} --until {HOUR + 2} --reason lost", fill(), "no longer skipped"),
    Case("to undo: bookreport unskip", f"skip --hour {HOUR} --reason lost", fill(), "no longer skipped"),
    Case("see which hours are", f"unskip --hour {HOUR + 1}", SKIPPED, "Skipped"),
    Case("reload it: bookreport run-hour", "verify", steps(LOADED, fill(rows=2))),
    Case(
        "reload them: bookreport ingest --changed",
        "ingest --changed --max-reload 0",
        steps(LOADED, fill(rows=2)),
    ),
    Case(
        "reload hours whose files changed",
        "verify",
        steps(LOADED, fill(HOUR + 1), run("ingest"), fill(rows=2), fill(HOUR + 1, rows=2)),
    ),
    Case("has a language; for what to do", ONE, steps(sql("truncate public.books"), LOADED), "books +FAILED"),
    Case(
        "figures use the catalogue of that time",
        "ingest --dry-run",
        steps(LOADED, sql('delete from public.books where "index" = 1')),
    ),
    Case(
        "load the hour again",
        "ingest",
        steps(put(f"{HOUR.partition}a.csv", f"user_id,isbn10,isbn,price\nana,-,{ENGLISH},1\n"), put(f"{HOUR.partition}FULL")),
        "reloaded: nothing changed, [0-9.]+ s",
        settings(BOOKREPORT_COLUMNS="isbn10=isbn"),
    ),
    Case("so load it", "status", steps(SKIPPED, fill())),
    Case("not loaded): see bookreport ingest --all", "status", steps(LOADED, fill(HOUR + -999))),
    Case("To check for changed files", "status", steps(LOADED, fill(rows=2)), "was changed"),
    Case("(implausible dates, ignored)", "status", FAR_OFF, "rename or remove it"),
    Case("(implausible dates, not counted)", "status", FAR_OFF_LOADED, "bookreport prune"),
    Case("ignoring partitions with implausible dates", "ingest", FAR_OFF, "rename or remove it"),
    Case("to search the whole bucket", "ingest", steps(LOADED, fill(HOUR + -999)), "loaded: 1 row"),
    Case("to see the records: bookreport rejects", "ingest", ALL_BAD, "a.csv +2 +unit_price 'x'"),
    Case("load the hour without these records", "ingest", ALL_BAD, "1 rejected"),
    Case("run: bookreport ingest", "report", OPEN, "for want of FULL"),
    Case("load it, or see what it lacks", ONE, fill()),
    Case("load it, or see what it lacks", ONE, OPEN, "written by whoever writes the hour"),
    Case("once that is mended", ONE, FAILED, "", fill()),
    Case("if it has come after all", ONE, steps(SKIPPED, fill())),
    Case("load it again", ONE, steps(LOADED, run(f"prune --before {HOUR + 1}"))),
    Case("all that are complete", SOME, fill()),
    Case("the newest loaded one", f"report --hour {Hour.last() + 2}", LOADED, "Books sold"),
    Case("the newest loaded hour", f"report --since {HOUR + 1}", LOADED, "Books sold"),
]
ELSEWHERE = {
    "{}: bookreport run-hour --hour {}": "verify's, which is followed above as it is printed: reload it",
    "as the tables' owner": "test_roles",
    "To go on by hand": "the servers of demo --keep",
    "or: bookreport --env-file": "the servers of demo --keep",
}
"""What the hints say that are followed by other tests, or need what no test has."""


def test_every_hint_that_names_a_command_is_followed() -> None:
    known = [*(case.hint for case in CASES), *ELSEWHERE]
    assert [text for text in texts(docstrings=False) if not any(hint in text for hint in known)] == []


@pytest.fixture
def shop(all_commands: Commands, database_url: str, sql: Sql, bookstore: Bookstore, tmp_path: Path) -> Shop:
    environment = {
        "DATABASE_URL": database_url,
        "S3_ENDPOINT_URL": bookstore.store.endpoint_url,
        "S3_BUCKET": bookstore.bucket,
        "MINIO_ROOT_USER": bookstore.store.access_key,
        "MINIO_ROOT_PASSWORD": bookstore.store.secret_key,
    }
    return Shop(lambda line, given: all_commands.start(line, environment | given, tmp_path).end(), sql, bookstore)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command}: {case.hint}")
def test_a_hint_helps(shop: Shop, case: Case) -> None:
    case.state(shop)
    asked = case.command.split()
    line = next(line for line in shop.run(*asked).splitlines() if case.hint in line)
    if case.cure:
        case.cure(shop)
    told = "".join(shop.run(*followed) for followed in command_lines(line[line.index(case.hint) :], str(HOUR)))
    if case.then:
        assert re.search(case.then, told), told
    else:
        again = shop.run(*asked)
        assert case.hint not in again, f"{told}\n{again}"
