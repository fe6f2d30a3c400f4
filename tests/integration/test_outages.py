"""What `run-hour --wait` outlasts: a store and a Postgres that are really away for a while, at any moment of the run."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import wire
from bookreport import patience
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.commands.options import CommonOptions
from bookreport.commands.session import Session
from bookreport.database import Database
from bookreport.errors import Configuration, Temporary
from bookreport.history import history
from bookreport.hours import Hour
from bookreport.outcomes import Outcome
from bookreport.patience import Patience
from bookreport.rejects import RejectLimit
from bookreport.run import Run
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from faults.proxy import Cut, Link, Proxy
from loading import MakeRun, OpenBucket, outcomes
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH)])
LONG = timedelta(minutes=10)


class Outage:
    """A server behind a proxy that refuses so many connections, and cuts those there are, once it goes away."""

    def __init__(self, reach: Callable[[], socket.socket]) -> None:
        self.left = 0
        self._links: set[Link] = set()
        self._server = reach
        self._proxy = Proxy(self._reach)
        self._proxy.fault = self._pass
        self.address = f"127.0.0.1:{self._proxy.port}"

    def begin(self, tries: int) -> None:
        self.left = tries

    def end(self) -> None:
        """End every connection, and what listens."""
        for link in self._links:
            with suppress(OSError):
                link.client.shutdown(socket.SHUT_RDWR)
        self._proxy.close()

    def _is_away(self) -> bool:
        self.left -= self.left > 0
        return self.left > 0

    def _reach(self) -> socket.socket:
        if self._is_away():
            raise ConnectionRefusedError
        return self._server()

    def _pass(self, link: Link, to_server: bool, piece: bytes) -> bytes:
        self._links.add(link)
        if to_server and self.left:
            raise Cut
        return piece


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets nobody wait between two tries."""
    monkeypatch.setattr(patience, "POLL_SECONDS", 0.01)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    for name in ("FIRST_PATIENCE", "LATER_PATIENCE"):
        monkeypatch.setattr(f"bookreport.database.{name}", 0.0)


@pytest.fixture
def store_outage(bookstore: Bookstore) -> Iterator[Outage]:
    server = urlsplit(bookstore.store.endpoint_url)
    made = Outage(lambda: socket.create_connection((server.hostname, server.port)))
    yield made
    made.end()


@pytest.fixture
def outer_bucket(store_outage: Outage, open_bucket: OpenBucket, bookstore: Bookstore) -> Bucket:
    """The bucket, behind what goes away."""
    return open_bucket(bookstore.bucket, endpoint_url=f"http://{store_outage.address}")


MOST = 12
"""Connections that an outage refuses: the client makes five for each request, so at least two of the run's own tries fail."""


def call_first(monkeypatch: pytest.MonkeyPatch, name: str, do: Callable[[], Any], which: int = 1) -> None:
    """Do this before the `which`th call of a method of Bucket."""
    method, calls = getattr(Bucket, name), []

    def called(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == which:
            do()
        return method(*arguments)

    monkeypatch.setattr(Bucket, name, called)


@pytest.mark.parametrize("moment", ["clock", "hours", "complete", "marker"])
def test_a_store_that_goes_away_at_any_moment_is_waited_for(
    bookstore: Bookstore,
    make_run: MakeRun,
    outer_bucket: Bucket,
    store_outage: Outage,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    log: pytest.LogCaptureFixture,
    moment: str,
) -> None:
    log.set_level(logging.INFO, "bookreport")
    last = Hour.last()
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, FILE)
    bookstore.write(last, "purchases-1.csv", FILE)
    call_first(monkeypatch, moment, lambda: store_outage.begin(MOST), {"marker": 4, "complete": 2}.get(moment, 1))
    # The first marker that is looked for in vain comes later.
    loading, _ = make_run(outer_bucket).by_the_hour(None, Patience(LONG))
    told: list[Outcome] = []
    for outcome in loading:
        told.append(outcome)
        bookstore.close(last)
    assert outcomes(told) == [(HOUR, "loaded"), (HOUR + 1, "loaded"), (last, "loaded")]
    assert store_outage.left == 0
    # Only a load that was under way is an attempt; to see whether the store is back is none.
    failed = [each.hour for each in history(database, since=None, until=None, limit=99).attempts if each.outcome == "failed"]
    assert failed == ([HOUR + 1] if moment == "complete" else [])
    assert [line.startswith("S3 at ") for line in log.messages if "trying again, as --wait says" in line] == [True]


def test_a_store_that_stays_away_is_temporary_and_one_that_refuses_is_not_waited_for(
    bookstore: Bookstore, make_run: MakeRun, outer_bucket: Bucket, store_outage: Outage, open_bucket: OpenBucket
) -> None:
    bookstore.fill(HOUR, FILE)
    run, stranger = make_run(outer_bucket), make_run(open_bucket("nobodys", endpoint_url=f"http://{store_outage.address}"))
    with pytest.raises(Configuration):
        stranger.by_the_hour(None, Patience(LONG))
    store_outage.begin(1_000_000)
    for given in (None, Patience(timedelta(seconds=0.1))):
        with pytest.raises(Temporary, match="is unreachable"):
            run.by_the_hour(HOUR, given)
    store_outage.begin(0)
    loading, _ = run.by_the_hour(HOUR + 1, Patience(timedelta(seconds=0.5)))
    store_outage.begin(1_000_000)
    with pytest.raises(Temporary, match="is unreachable"):
        list(loading)


@pytest.fixture
def postgres_outage(database_url: str) -> Iterator[Outage]:
    made = Outage(wire.reach(database_url))
    yield made
    made.end()


def test_a_postgres_that_is_away_is_waited_for_before_the_run_and_during_it(
    bookstore: Bookstore,
    bucket: Bucket,
    database_url: str,
    postgres_outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    bookstore.fill(HOUR, FILE)
    monkeypatch.chdir(tmp_path)
    name = database_url.rpartition("/test_")[2].partition("?")[0]
    monkeypatch.setenv("DATABASE_URL", f"postgresql://postgres@{postgres_outage.address}/test_{name}")
    postgres_outage.begin(5)
    with Session(CommonOptions()).migrated(patience=Patience(LONG)) as database:
        assert postgres_outage.left == 0
        run = Run(database, bucket, Columns(), reject_limit=RejectLimit(0))
        for begun in (True, False):
            postgres_outage.begin(0 if begun else 5)
            loading, _ = run.by_the_hour(HOUR, Patience(LONG))
            postgres_outage.begin(5 if begun else 0)
            assert outcomes(loading) == [(HOUR, "loaded" if begun else "reloaded")]
            assert postgres_outage.left == 0
        postgres_outage.begin(5)
        with pytest.raises(Temporary):
            run.by_the_hour(HOUR, None)
