"""A hot standby, which many a shop reads its reports from: what reads works there, what writes says why it can't."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import postgres
from bookstore import BOOKS, HOUR, Bookstore, csv_file, write_books
from connection import connected
from loading import SOLD
from running import Run


@pytest.fixture
def primary(folder: Path) -> Iterator[str]:
    """The URL of a Postgres that lets itself be copied."""
    with postgres.served(postgres.new_data(folder / "primary")) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


@pytest.fixture
def standby(primary: str, bookstore: Bookstore, bookreport: Run, folder: Path) -> Iterator[str]:
    """The URL of a hot standby of it, after an hour was loaded."""
    with connected(primary) as sql:
        write_books(sql, BOOKS)
    bookstore.fill(HOUR, csv_file(SOLD))
    assert bookreport("migrate", DATABASE_URL=primary).code == 0
    assert bookreport("ingest", DATABASE_URL=primary).code == 0
    data = postgres.copied_data(folder / "standby", int(primary.rpartition(":")[2].partition("/")[0]))
    with postgres.served(data) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"


def change_books(primary: str, standby: str) -> None:
    """Change the books, and wait until the standby has it."""
    with connected(primary) as sql, connected(standby) as there:
        sql("delete from public.books where \"Language\" = 'French'")
        written = sql("select pg_current_wal_lsn()")[0][0]
        deadline = time.monotonic() + 60
        while there("select pg_last_wal_replay_lsn() < %s, pg_sleep(0.02)", written)[0][0]:
            assert time.monotonic() < deadline


def test_a_hot_standby_can_be_read_and_says_that_it_can_not_be_written_to(
    bookreport: Run, bookstore: Bookstore, primary: str, standby: str
) -> None:
    def report(url: str) -> dict[str, Any]:
        ended = bookreport("report", "--json", DATABASE_URL=url)
        assert ended.code == 0, ended.err
        return {name: value for name, value in ended.json.items() if name != "generated_at"}

    assert report(standby) == report(primary)
    for command in ("status", "check", "verify", "rejects", "history", "ingest --dry-run", "report --last 24h --format csv"):
        ended = bookreport(*command.split(), DATABASE_URL=standby)
        assert ended.code == 0, ended.err
    bookstore.fill(HOUR + 1, csv_file(SOLD))
    change_books(primary, standby)
    assert report(standby)["catalogue_is_current"] is False
    for command in (
        "ingest",
        "run-hour",
        f"run-hour --hour {HOUR}",
        "refresh",
        "migrate",
        f"skip --hour {HOUR + 2} --reason none",
    ):
        ended = bookreport(*command.split(), DATABASE_URL=standby)
        assert ended.code == 6, ended.err
        assert "hot standby" in ended.err
        assert "the primary" in ended.err
    assert bookreport("run-hour", DATABASE_URL=primary).code == 0
