"""The real servers beside the model of the world: each step is done to both, and then both must say the same."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg2

from bookreport.hours import Hour
from bookstore import AUDIO, BOOKS, ENGLISH, FRENCH, POCKET, SPANISH, UNKNOWN, Bookstore, write_books
from commands import Commands, Ended, Started
from connection import Sql
from model import CODES, GRAVITY, LOOKBACK, Action, Command, File, Known, Model, Partition, Reject
from truth import Book, Purchase

MAY = Hour.parse("2024-05-01T00")
NEAR = [MAY + number for number in range(-2, 5)]
"""Hours of two months, more than the look-back holds."""
OLD = MAY + -60
"""An hour long before the look-back."""
STRANGE = [Hour.parse("2062-05-01T13"), Hour.parse("0001-01-01T00"), Hour.parse("9999-12-31T23"), Hour.parse("1994-12-31T23")]
"""Hours that no shop has."""
SINCE, UNTIL = OLD, NEAR[-1] + 1

SOURCES = ("a", "b")
KINDS = ("clean", "clean", "odd", "dirty", "all dirty", "refused", "empty")
ADDRESS = "zoe@example.com"
"""What stands in dirty rows, and must be gone when the text of rejects was pruned."""

ISBNS = (ENGLISH, SPANISH, FRENCH, POCKET, AUDIO, UNKNOWN, "B00ABCDEFG")
ODD_ISBNS = (
    "-",
    "–",
    "N/A",
    "n/a",
    "0",
    "NA",
    "X" * 10,
    "none",
    "12",
    "978-0-306-40615-7",
    f" {SPANISH[:4]}-{SPANISH[4:]}",
)
LANGUAGES = ("Spanish", "English", " SPANISH ", "es", None)
NO_CODES = ("", "-", "N/A", "0000000000", "X" * 10)

POINTS = {
    "prune": ("ledger", "rows", "hour"),
    "prune --keep-sums": ("ledger", "rows", "hour"),
    "prune --rejects-before": ("ledger", "loads"),
    "skip": ("ledger", "hour"),
    "refresh": ("catalogue",),
}
LOADING_POINTS = ("ledger", "rows", "files", "loads", "source", "catalogue", "hour")
"""Where the first of two commands at once is held: a row or a table that it writes, or a lock that it takes."""


def points_of(command: Command) -> tuple[str, ...]:
    """Return where a command can be held; where it finds the hour locked a load ends at once."""
    return LOADING_POINTS if command.loads else POINTS[command.name]


PATIENCE = 20.0
"""Seconds after which a command that neither waits nor ends is let go on."""


@dataclass
class Figures:
    """What was reached."""

    steps: Counter[str] = field(default_factory=Counter)
    turns: Counter[str] = field(default_factory=Counter)
    states: set[tuple[str, ...]] = field(default_factory=set)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        kinds = {command for pair in self.pairs for command in pair}
        return [
            f"steps: {self.steps.total():,}; " + ", ".join(f"{name} {number}" for name, number in self.steps.most_common()),
            f"states of all hours together: {len(self.states):,}",
            "an hour became: " + ", ".join(f"{name} {number}" for name, number in self.turns.most_common()),
            f"two commands at once: {self.pairs.total():,}, {len(self.pairs)} different pairs of {len(kinds)} commands",
            "the first was held at: " + ", ".join(f"{name} {number}" for name, number in self.held.most_common()),
            "then the second: " + ", ".join(f"{name} {number}" for name, number in self.met.most_common()),
        ]


def make_file(kind: str, number: int) -> File:
    """Return a file like no other: its number is in each price."""
    chance = random.Random(f"{kind} {number}")
    isbns = ODD_ISBNS + ISBNS[:2] if kind == "odd" else ISBNS
    sales = tuple(
        Purchase(f"u{chance.randrange(1, 7)}", chance.choice(isbns), chance.randrange(1, 4), f"{number:04}.{at:02}")
        for at in range(chance.randrange(1, 4))
    )
    lines = [f"{sale.user_id},{sale.isbn10},{sale.quantity},{sale.unit_price}" for sale in sales]
    header = "user_id,isbn10,quantity,unit_price"
    if kind == "empty":
        return File(b"")
    if kind == "refused":
        return File(f"who,what,{number}\n".encode(), is_refused=True)
    if kind in ("dirty", "all dirty"):
        dirt = f"u1,{ENGLISH},{ADDRESS},{number:04}.00"
        lines = [dirt, *lines] if kind == "dirty" else [dirt, dirt]
        sales, rejects = (sales, (2,)) if kind == "dirty" else ((), (2, 3))
        return File("\n".join([header, *lines, ""]).encode(), sales, rejects)
    return File("\n".join([header, *lines, ""]).encode(), sales)


def of_same_size(file: File) -> File:
    """Return a file of as many bytes, bought by others."""
    sales = tuple(replace(sale, user_id="v" + sale.user_id[1:]) for sale in file.sales)
    return replace(file, content=file.content.replace(b"\nu", b"\nv"), sales=sales)


class World:
    """One database, two sources below prefixes of one bucket, and what they must be: `model`.

    Each method is a step. `check` is called at the end of each, and raises AssertionError where the two differ.
    """

    def __init__(
        self,
        url: str,
        sql: Sql,
        stores: Mapping[str, Bookstore],
        commands: Commands,
        folder: Path,
        reached: Figures,
    ) -> None:
        self.url, self.sql, self.stores, self.commands, self.folder, self.reached = url, sql, stores, commands, folder, reached
        self.model = Model(now=Hour.last() + 1, books=list(BOOKS), buckets={source: {} for source in stores})
        self.model.catalogue = list(BOOKS)
        self.told: dict[Hour, dict[str, Any]] = {}
        """What the file of each hour must say."""
        self.made = 0
        self._statuses: dict[Hour, str] = {}
        write_books(sql, BOOKS)
        store = next(iter(stores.values())).store
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "DATABASE_URL": url,
            "S3_ENDPOINT_URL": store.endpoint_url,
            "MINIO_ROOT_USER": store.access_key,
            "MINIO_ROOT_PASSWORD": store.secret_key,
            "BOOKREPORT_LOOKBACK": f"{LOOKBACK}h",
        }

    # Steps in the bucket

    def come(self, source: str, hour: Hour, kinds: Sequence[str], closed: bool) -> None:
        """Files come into an hour, and its marker."""
        partition = self._partition(source, hour)
        for kind in kinds:
            self._put(source, hour, f"{len(partition.files) + 1}-{self.made + 1}.csv", self._make(kind))
        if closed:
            self._close(source, hour)
        self.step("an hour comes")

    def come_in_turn(self, source: str, first: Hour, kinds: Sequence[str]) -> None:
        """Hours come one after another, each with a file of its kind."""
        for number, kind in enumerate(kinds):
            self._put(source, first + number, f"{self.made + 1}.csv", self._make(kind))
            self._close(source, first + number)
        self.step("hours come")

    def close(self, source: str, hour: Hour) -> None:
        if not self._partition(source, hour).is_closed:
            self._close(source, hour)
            self.step("an hour closes")

    def change(self, source: str, hour: Hour, how: str, kind: str) -> None:
        """An hour changes: a file is added, changed, removed, or other bytes of the same size."""
        files = self._partition(source, hour).files
        key = min(files, default=None)
        if how == "added":
            self._put(source, hour, f"late-{self.made + 1}.csv", self._make(kind))
        elif key is None:
            return
        elif how == "changed":
            self._put(source, hour, key, self._make(kind))
        elif how == "removed":
            self._remove(source, hour, key)
        elif files[key].sales:
            self._put(source, hour, key, of_same_size(files[key]))
        self.step(f"a file is {how}")

    def lose(self, source: str, hour: Hour, what: str) -> None:
        """An hour loses all of its files, its marker, or all there is."""
        partition = self._partition(source, hour)
        if partition.is_gone:
            return
        if what != "marker":
            for key in list(partition.files):
                self._remove(source, hour, key)
        if what != "files" and partition.is_closed:
            self.stores[source].remove(hour, "FULL")
            partition.is_closed = False
        if what == "all" and partition.is_strange:
            self.stores[source].remove(hour, "sales.zst")
            partition.is_strange = False
        self.step(f"an hour loses {what}")

    def spoil(self, source: str, hour: Hour) -> None:
        """What is no CSV file comes into an hour."""
        self.stores[source].write(hour, "sales.zst", b"x")
        self._partition(source, hour).is_strange = True
        self.step("an hour is spoiled")

    def mend(self, source: str, hour: Hour) -> None:
        """All that is bad of an hour is mended."""
        partition = self._partition(source, hour)
        if not partition.is_bad:
            return
        if partition.is_strange:
            self.stores[source].remove(hour, "sales.zst")
            partition.is_strange = False
        for key, file in list(partition.files.items()):
            if file.is_refused or file.has_too_many_rejects:
                self._put(source, hour, key, self._make("clean"))
        self.step("an hour is mended")

    def change_language(self, at: int, language: str | None) -> None:
        """A book of the books is in another language now."""
        books = self.model.books
        at %= len(books)
        self._write_books([*books[:at], replace(books[at], language=language), *books[at + 1 :]])

    def catch_up(self, at: int, language: str | None) -> None:
        """The files of all hours are written, then a book changes its language, and they are written again."""
        cron = Command("run-hour -o", self.model.source or SOURCES[0])
        self.run(cron)
        self.change_language(at, language)
        self.run(cron)

    def add_book(self, book: Book, code: str) -> None:
        """A book comes; where it is there already, one without an ISBN."""
        known = {each.isbn10 for each in self.model.books}
        self._write_books([*self.model.books, book if book.isbn10 not in known else Book(code, "Gift", "Spanish")])

    def remove_book(self, at: int) -> None:
        """A book goes, unless it is the last."""
        at %= len(self.model.books)
        self._write_books([*self.model.books[:at], *self.model.books[at + 1 :]] or self.model.books)

    def _write_books(self, books: Sequence[Book]) -> None:
        """The owner of the books writes them anew."""
        self.model.books = list(books)
        write_books(self.sql, books)
        self.step("the books change", figures=True)

    # Commands

    def run(self, command: Command) -> None:
        """Run one command while nothing else runs, and hold what it says against what it must."""
        self._see(command, self._start(command).end())
        self.step(command.name, figures=True)

    def _see(self, command: Command, ended: Ended) -> None:
        """Hold how a command ended against how it must."""
        code, outcomes = self.model.run(command)
        assert ended.code == code, f"exit code {code} expected of {ended}"
        is_far_off = command.hour is not None and self.model.is_set_aside(command.hour)
        if command.loads and command.name != "run-hour -o" and code != 6 and not is_far_off:
            told = {Hour.parse(each["hour"]): each["outcome"] for each in ended.json["hours"]}
            assert told == outcomes, f"{outcomes} expected of {ended}"
            for report in ended.json.get("reports", []):
                hour = Hour.parse(report["window"]["since"])
                self._compare(report, self.model.report_told(hour, hour + 1), ended)
        if command.name == "run-hour -o" and code != 6:
            self._expect_files()
        if command.name == "prune --rejects-before" and command.hour is not None:
            self._see_no_address(command.hour)
        self._compare_ledger(ended)

    def report_last(self, hours: int) -> None:
        """Report so many hours up to the newest loaded one."""
        ended = self._ask("report", "--last", f"{hours}h", "--json")
        self.model.catalogue = list(self.model.books)
        newest = self.model.newest_loaded
        told = self.model.report_told(newest + (1 - hours), newest + 1) if newest else None
        assert ended.code == (0 if told else 3), str(ended)
        if told:
            self._compare(ended.json, told, ended)
        self.step("report --last")

    def look_at_all(self) -> None:
        """Look at each prerequisite of a run."""
        source = self.model.source or SOURCES[0]
        ended = self._ask("check", "--json")
        failing, told = {each["name"] for each in ended.json["checks"] if not each["ok"]}, self.model.check_told(source)
        assert failing == told, f"{told} expected to fail: {ended}"
        assert ended.code == (6 if told - {"failed", "overdue", "missing", "skipped"} else 3 if told else 0), str(ended)
        self.step("check")

    def put_stray(self, hour: Hour) -> None:
        """Somebody puts a row by hand into an hour that is not loaded; it counts nowhere, and a load takes it away."""
        if self.model.status(hour) == "loaded":
            return
        self.sql("select ensure_month(%s)", hour.start)
        self.sql("insert into purchase_rows (hour, user_id, isbn10, unit_price) values (%s, 'me', %s, 1)", hour.start, SPANISH)
        self.model.strays.add(hour)
        self.step("a row is put by hand", figures=True)
        self.model.strays.remove(hour)
        command = Command("run-hour --hour", self.model.source or SOURCES[0], hour)
        after = self.model.copy()
        after.run(command)
        if after.status(hour) != "loaded":
            self.sql("delete from purchase_rows where hour = %s", hour.start)
        self.run(command)

    def at_once(self, first: Command, second: Command, point: str, hour: Hour) -> None:
        """Run two commands: the first is held at a point until the second has ended, or waits too."""
        hour = self._give_work(first, hour)
        self._give_work(second, hour)
        if point == "catalogue":
            self.model.books = [*self.model.books, Book(f"{self.made:09}X", "eBook", "German")]
            write_books(self.sql, self.model.books)
        before = self.model.copy()
        with self._held(point, hour):
            one = self._start(first)
            held = self._wait_until(one, waiting=1)
            other = self._start(second)
            met = self._wait_until(other, waiting=2 if held == "waited" else 1)
        runs = [(first, one.end()), (second, other.end())]
        self._adopt(before, runs)
        self.reached.pairs[first.name, second.name] += 1
        self.reached.held[point if held == "waited" else f"{point} ({held})"] += 1
        self.reached.met[met] += 1
        self.step("two at once", figures=True)

    def cut_behind_commit(self, command: Command, hour: Hour) -> None:
        """Run a command that loads, and cut its connection right behind the commit of its first hour."""
        hour = self._give_work(command, hour)
        with self._session() as ledger:
            with self._held("source", hour):
                started = self._start(command)
                self._wait_until(started, waiting=1)
                writing = "select pid from pg_locks where relation = 'ledger'::regclass and mode = 'RowExclusiveLock'"
                is_loading = bool(self.sql(writing))
                # It gets this lock when the load's transaction gives it back: at the commit.
                queued = threading.Thread(target=ledger, args=["lock table ledger in access exclusive mode"])
                if is_loading:
                    queued.start()
                    self._wait_until_queued(queued)
            if is_loading:
                queued.join()
                assert self._wait_until(started, waiting=1) == "waited"
                self.sql(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                    " and application_name like 'bookreport%' and wait_event_type = 'Lock'"
                )
                self.reached.met["cut"] += 1
        # The ledger is free again by now.
        self._see(command, started.end())
        self.step("cut behind the commit", figures=True)

    def _give_work(self, command: Command, hour: Hour) -> Hour:
        """See to it that a command that loads has an hour to load, this one where it can be; return the hour."""
        hours = [command.hour] if command.hour else [hour, *NEAR]
        if not command.loads or any(self._is_work(command, each) for each in hours):
            return next((each for each in hours if self._is_work(command, each)), hour)
        ready = ("loaded",) if command.name == "ingest --changed" else ()
        hour = next((each for each in hours if self.model.status(each) in (None, "failed", *ready)), hours[0])
        self._put(command.source, hour, f"work-{self.made + 1}.csv", self._make("clean"))
        self._close(command.source, hour)
        return hour

    def _is_work(self, command: Command, hour: Hour) -> bool:
        return hour in self.model.plan(command) and self._partition(command.source, hour).is_closed

    def _start(self, command: Command) -> Started:
        return self._call(command.arguments, command.source)

    def _call(self, arguments: Sequence[str], source: str) -> Started:
        store = self.stores[source]
        environment = self.environment | {"S3_BUCKET": store.bucket, "S3_PREFIX": store.prefix}
        return self.commands.start(arguments, environment, self.folder)

    def _ask(self, *arguments: str) -> Ended:
        return self._call(arguments, self.model.source or SOURCES[0]).end()

    @contextmanager
    def _session(self) -> Iterator[Callable[..., None]]:
        """Give a function that runs statements in one transaction of the test's own, which is rolled back at the end."""
        connection = psycopg2.connect(self.url)

        def run(statement: str, *parameters: object) -> None:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)

        try:
            run("set time zone 'UTC'")
            run("set search_path to bookreport, public")
            yield run
        finally:
            connection.close()

    @contextmanager
    def _held(self, point: str, hour: Hour) -> Iterator[None]:
        """Hold what a command needs at a point."""
        tables = {"rows": "purchase_rows", "files": "ledger_files", "loads": "loads", "source": "source"}
        with self._session() as session:
            if point in tables:
                session(f"lock table {tables[point]} in exclusive mode")
            elif point == "ledger":
                session("insert into ledger (hour, status) values (%s, 'failed') on conflict do nothing", hour.start)
                session("select from ledger where hour = %s for update", hour.start)
            else:
                name = hour.instant if point == "hour" else point
                session("insert into locks (name) values (%s) on conflict do nothing", name)
                session("select from locks where name = %s for update", name)
            yield

    def _wait_until(self, started: Started, *, waiting: int) -> str:
        """Wait until a command has ended, or so many wait for a lock; say which it was."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if started.has_ended():
                return "ended"
            found = self.sql(
                "select count(*) from pg_stat_activity where datname = current_database()"
                " and application_name like 'bookreport%' and wait_event_type = 'Lock'"
            )
            if found[0][0] >= waiting:
                return "waited"
            time.sleep(0.005)
        return "went on"

    def _wait_until_queued(self, queued: threading.Thread) -> None:
        """Wait until a session of the test's own waits for its lock, or has it."""
        waiting = "select pid from pg_stat_activity where query like 'lock table ledger %' and wait_event_type = 'Lock'"
        while queued.is_alive() and not self.sql(waiting):
            time.sleep(0.005)

    # What both must say

    def step(self, name: str, *, figures: bool = False) -> None:
        """Count a step, and compare all that can be asked."""
        self.reached.steps[name] += 1
        statuses = {hour: known.status for hour, known in self.model.ledger.items()}
        for hour, status in statuses.items():
            if status != self._statuses.get(hour):
                self.reached.turns[f"{status} from {self._statuses.get(hour, 'never tried')}"] += 1
        self._statuses = statuses
        states = Counter(known.status for known in self.model.ledger.values())
        self.reached.states.add(tuple(sorted(f"{status} {min(number, 3)}" for status, number in states.items())))
        self.check(figures=figures)

    def check(self, *, figures: bool = True) -> None:
        """Hold what the tool says of the world against the model."""
        source = self.model.source or SOURCES[0]
        if figures:
            self._check_report()
        started = [self._call([name, "--json"], source) for name in ("status", "verify")]
        status, verified = (command.end() for command in started)
        self._check_status(status, self.model.status_told(source))
        self._check_verify(verified, *self.model.verify_told(source))
        if figures:
            self._check_rejects()
            self._check_files()

    def _check_report(self) -> None:
        ended = self._ask("report", "--since", str(SINCE), "--until", str(UNTIL), "--by", "hour", "--json")
        self.model.catalogue = list(self.model.books)
        told = self.model.report_told(SINCE, UNTIL)
        assert ended.code == (0 if told else 3), f"a report of {told} expected of {ended}"
        if told:
            self._compare(ended.json, told | {"series": self.model.series_told(SINCE, UNTIL)}, ended)

    def _check_status(self, ended: Ended, told: Mapping[str, Any]) -> None:
        assert ended.code == 0, str(ended)
        said = ended.json
        said["failed"] = [(each["hour"], each["attempts"]) for each in said["failed"]]
        said["failed_reloads"] = [each["hour"] for each in said["failed_reloads"]]
        said["skipped"] = [(each["hour"], each["reason"]) for each in said["skipped"]]
        said["far_off"] = sorted(each["prefix"] for each in said["far_off"])
        self._compare(said, told, ended)

    @staticmethod
    def _check_verify(ended: Ended, hours: int, differences: list[tuple[str, str, str | None]]) -> None:
        assert ended.code == (4 if differences else 0), f"{differences} expected of {ended}"
        said = Counter((each["hour"], each["kind"], each["key"]) for each in ended.json["differences"])
        assert (ended.json["hours"], said) == (hours, Counter(differences)), f"{hours}, {differences} expected of {ended}"

    def _check_rejects(self) -> None:
        found = self.sql(
            'select to_char(hour, \'YYYY-MM-DD"T"HH24:00:00"Z"\'), key, line_number, raw is not null from rejects'
            " order by hour, key, line_number"
        )
        assert sorted(found) == self.model.rejects_told(), f"the rejects are {found}, not {self.model.rejects_told()}"

    def _check_files(self) -> None:
        for hour, told in self.told.items():
            file = self.folder / f"{hour}.json"
            assert file.exists(), f"{file.name} was never written"
            said = json.loads(file.read_text())
            differing = _differing(said, told)
            assert not differing, f"{file.name} says {differing}"

    def _expect_files(self) -> None:
        """After a run with {hour} every loaded hour has its file, as it is by now."""
        for hour in [hour for hour in self.told if self.model.status(hour) != "loaded"]:
            del self.told[hour]
        for hour in self.model.hours_in("loaded"):
            told = self.model.report_told(hour, hour + 1)
            assert told is not None
            self.told[hour] = told

    def _see_no_address(self, before: Hour) -> None:
        for column in ("rejects.raw", "rejects.reason", "loads.error", "ledger.last_error"):
            table, _, name = column.partition(".")
            found = self.sql(f"select hour from {table} where {name} like %s and hour < %s", f"%{ADDRESS}%", before.start)
            assert not found, f"{column} still says {ADDRESS}, of {found}"

    def _compare_ledger(self, ended: Ended) -> None:
        found = self._observed()
        expected = {hour: _signature(known) for hour, known in self.model.ledger.items()}
        said = {hour: signature for hour, (signature, _) in found.items()}
        assert said == expected, f"{ended}\n{_told_apart(said, expected)}"
        attempts = {hour: attempts for hour, (_, attempts) in found.items()}
        assert attempts == {hour: known.attempts for hour, known in self.model.ledger.items()}, str(ended)
        assert self._source_now() == self.model.source, f"the source is {self._source_now()}: {ended}"

    def _observed(self) -> dict[Hour, tuple[tuple[Any, ...], int]]:
        """Return what the ledger and its tables hold of each hour."""
        files: dict[Any, set[tuple[str, str]]] = {}
        for hour, key, etag in self.sql("select hour, key, etag from ledger_files"):
            files.setdefault(hour, set()).add((key, etag))
        rejects: dict[Any, set[Reject]] = {}
        for hour, key, line, has_text in self.sql("select hour, key, line_number, raw is not null from rejects"):
            rejects.setdefault(hour, set()).add(Reject(key, line, has_text))
        return {
            Hour(hour): ((status, sums_kept, frozenset(files.get(hour, ())), frozenset(rejects.get(hour, ()))), attempts)
            for hour, status, sums_kept, attempts in self.sql("select hour, status, sums_kept, attempts from ledger")
        }

    def _source_now(self) -> str | None:
        found = self.sql("select prefix from source")
        return next((name for name, store in self.stores.items() if found and store.prefix == found[0][0]), None)

    # Two commands at once

    def _adopt(self, before: Model, runs: list[tuple[Command, Ended]]) -> None:
        """Take what two commands at once left, where it is what some order of them leaves, of each hour; raise where not.

        A command that ended with 5, 6 or 7 said why it did not do all; of the hours that it says it did, it must have.
        """
        told = "\n".join(str(ended) for _, ended in runs)
        outcomes = [_outcomes(command, ended) for command, ended in runs]
        for (command, ended), said in zip(runs, outcomes, strict=True):
            assert ended.code in (0, 2, 3, 4, 6, 7), f"no exit code of such a pair: {told}"
            other = next(each for each, _ in runs if each is not command) if runs[0][0] is not runs[1][0] else command
            if before.refusal(command) and not other.takes_source:
                assert ended.code == 6, f"{command} speaks of another source:\n{told}"
            if said is not None and ended.code not in (1, 2, 5, 6):
                codes = {CODES[outcome] for outcome in said.values()} - {0}
                expected = next((code for code in GRAVITY if code in codes), max(codes, default=0))
                assert ended.code == expected, f"exit code {expected} by its own words:\n{told}"
            self.model.refresh(command)
        plans = _plans(before, [command for command, _ in runs])
        observed = self._observed()
        for hour in sorted({*before.ledger, *observed, *(hour for plan in plans for hour in plan)}):
            found = observed.get(hour)
            known = _explained(before, hour, [plan.get(hour, [None]) for plan in plans], runs, outcomes, found)
            if known is _UNEXPLAINED:
                raise AssertionError(
                    f"{hour} was {_in_words(_signature(before.ledger.get(hour)))}, and no order of both makes it"
                    f" {_in_words(found[0] if found else None)}:\n{told}"
                )
            if found is None:
                self.model.ledger.pop(hour, None)
            else:
                self.model.ledger[hour] = replace(known, attempts=found[1])
        self._adopt_source(before, runs, told)
        if any(command.name == "run-hour -o" for command, _ in runs):
            self.told.clear()

    def _adopt_source(self, before: Model, runs: list[tuple[Command, Ended]], told: str) -> None:
        now = self._source_now()
        taken = {command.source for command, ended in runs if command.takes_source and ended.code not in (2, 6)}
        loaded = {
            source
            for hour, known in self.model.ledger.items()
            for source, bucket in self.model.buckets.items()
            if known.files and known != before.ledger.get(hour) and dict(known.files) == bucket.get(hour, Partition()).files
        }
        if taken:
            assert now in taken, f"the source is {now}, where {taken} was taken:\n{told}"
        elif before.source is not None:
            assert now == before.source, f"the source is {now}, was {before.source}:\n{told}"
        else:
            assert len(loaded) <= 1 or now is None, f"hours of {loaded} are in one ledger:\n{told}"
            assert now is None or now in {command.source for command, _ in runs}, f"the source is {now}:\n{told}"
        found = self.sql("select looked_through_at is not null, oldest_open from source")
        self.model.source = now
        self.model.has_looked = bool(found and found[0][0])
        self.model.oldest_open = Hour(found[0][1]) if found and found[0][1] else None

    # The bucket

    def _partition(self, source: str, hour: Hour) -> Partition:
        return self.model.buckets[source].setdefault(hour, Partition())

    def _make(self, kind: str) -> File:
        self.made += 1
        return make_file(kind, self.made)

    def _put(self, source: str, hour: Hour, key: str, file: File) -> None:
        self.stores[source].write(hour, key, file.content)
        self._partition(source, hour).files[key] = file

    def _remove(self, source: str, hour: Hour, key: str) -> None:
        self.stores[source].remove(hour, key)
        del self._partition(source, hour).files[key]

    def _close(self, source: str, hour: Hour) -> None:
        self.stores[source].close(hour)
        self._partition(source, hour).is_closed = True

    @staticmethod
    def _compare(said: Mapping[str, Any], told: Mapping[str, Any] | None, ended: Ended) -> None:
        assert told is not None, f"no answer expected of {ended}"
        differing = _differing(said, told)
        assert not differing, f"{differing}: {ended.arguments}\n{ended.err}"


_UNEXPLAINED: Any = object()


def _explained(
    before: Model,
    hour: Hour,
    actions: Sequence[Sequence[Action | None]],
    runs: Sequence[tuple[Command, Ended]],
    outcomes: Sequence[Mapping[Hour, str] | None],
    found: tuple[tuple[Any, ...], int] | None,
) -> Any:
    """Return what the ledger knows of an hour (None: nothing) by an order of both commands that makes what was found."""
    for first, second in ((0, 1), (1, 0)):
        for one in (*actions[first], None):
            for two in (*actions[second], None):
                world = Model(before.now, before.books, before.buckets, ledger=dict(before.ledger), source=before.source)
                fits = True
                for which, action in ((first, one), (second, two)):
                    done = world.apply(hour, action) if action else None
                    may_leave = None in actions[which]
                    fits = fits and _fits(done, runs[which], outcomes[which], hour, may_leave=may_leave)
                signature = _signature(world.ledger.get(hour)) if hour in world.ledger else None
                if fits and signature == (found[0] if found else None):
                    return world.ledger.get(hour)
    return _UNEXPLAINED


def _fits(
    done: str | None, run: tuple[Command, Ended], said: Mapping[Hour, str] | None, hour: Hour, *, may_leave: bool
) -> bool:
    """Say whether a command may have done this to the hour (None: nothing), by what it said."""
    command, ended = run
    gave_up = ended.code in (5, 6, 7)
    if not command.loads:
        if done is None:
            return may_leave or gave_up
        return ended.code == 2 if done == "refused" else ended.code == 0 or gave_up
    if said is None:
        return True
    if done is None:
        return (
            (hour not in said and (may_leave or gave_up))
            or said.get(hour) == "locked"
            or (said.get(hour) == "failed" and ended.code == 6)
        )
    if done in ("skipped", "pruned"):
        return said.get(hour) in (None, "unchanged", "locked", done)
    return said.get(hour) == done


def _plans(before: Model, commands: Sequence[Command]) -> list[dict[Hour, list[Action | None]]]:
    """Return for each command what it may be about to do to each hour: as it was, or as the other had left it."""
    made: list[dict[Hour, list[Action | None]]] = []
    for command, other in ((commands[0], commands[1]), (commands[1], commands[0])):
        after = before.copy()
        after.run(other)
        plans = [before.plan(command), after.plan(command)]
        made.append({hour: [plan.get(hour) for plan in plans] for hour in sorted({*plans[0], *plans[1]})})
    return made


def _outcomes(command: Command, ended: Ended) -> dict[Hour, str] | None:
    """Return the outcome of each hour by a command's own words; None where it says none."""
    if not command.loads or command.name == "run-hour -o":
        return None
    if not ended.out:
        return {}
    return {Hour.parse(each["hour"]): each["outcome"] for each in ended.json["hours"]}


def _signature(known: Known | None) -> tuple[Any, ...] | None:
    """Return what the tables must hold of an hour."""
    if known is None:
        return None
    files = frozenset((key, hashlib.md5(file.content).hexdigest()) for key, file in known.files)  # noqa: S324 - S3's ETag
    return known.status, known.sums_kept, files, known.rejects


def _in_words(signature: tuple[Any, ...] | None) -> str:
    if signature is None:
        return "never tried"
    status, sums_kept, files, rejects = signature
    texts = sum(reject.has_text for reject in rejects)
    names = ", ".join(f"{key} {etag[:6]}" for key, etag in sorted(files))
    kept = ", its sums kept" if sums_kept else ""
    return f"{status}{kept} (files: {names or 'none'}; {len(rejects)} rejects, {texts} with text)"


def _told_apart(said: Mapping[Any, Any], told: Mapping[Any, Any]) -> str:
    return "\n".join(
        f"{key}: {_in_words(said.get(key))}, where the model has {_in_words(told.get(key))}"
        for key in sorted({*said, *told})
        if said.get(key) != told.get(key)
    )


def _differing(said: Any, told: Any) -> str:
    """Return where an answer says something else than it must; what the model does not know of is left out."""
    if said == told:
        return ""
    if isinstance(told, dict) and isinstance(said, dict):
        found = [(name, _differing(said.get(name), told[name])) for name in told]
        return "; ".join(f"{name}: {text}" for name, text in found if text)
    if isinstance(told, list) and isinstance(said, list) and len(told) == len(said):
        return "; ".join(text for text in map(_differing, said, told) if text)
    if isinstance(told, list) and isinstance(said, list):
        return f"too many {[each for each in said if each not in told]}, lacking {[each for each in told if each not in said]}"
    return "" if said == told else f"{said!r}, where the model has {told!r}"
