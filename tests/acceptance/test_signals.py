"""Ctrl-C and SIGTERM, whatever the command is waiting for."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql, connected
from truth import Purchase

BACKENDS = "select count(*) from pg_stat_activity where application_name = 'bookreport' and datname = current_database()"
WAITING = f"{BACKENDS} and wait_event_type = 'Lock'"
SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])


@contextmanager
def held(database_url: str, table: str) -> Iterator[None]:
    """Hold a table, as somebody's open transaction would."""
    with connected(database_url) as sql:
        sql("begin")
        sql(f"lock table {table}")
        yield


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@SIGNALS
def test_a_load_that_waits_for_a_lock_ends_at_once_and_leaves_no_backend(
    bookstore: Bookstore, database_url: str, sql: Sql, start: Any, finish: Any, bookreport: Any, number: int, code: int
) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    bookstore.fill(HOUR + 1, csv_file([Purchase("ana", ENGLISH)]))
    assert bookreport("ingest", "--hour", str(HOUR)).code == 0
    with held(database_url, "hour_sums"):
        process = start("ingest", "--json")
        wait_until(lambda: sql(WAITING) == [(1,)], process)
        sent = time.monotonic()
        process.send_signal(number)
        ended = finish(process)
        assert time.monotonic() - sent < 20  # the lock would be waited for half a minute
    assert (ended.code, ended.out) == (code, "")
    assert (ended.error["code"], ended.error["kind"]) == (code, "interrupted")
    assert sql(BACKENDS) == [(0,)]
    assert sql("select hour from ledger") == [(HOUR.start,)]
    assert sql("select count(*) from purchases") == [(1,)]
    assert bookreport("ingest").code == 0
    assert sql("select count(*) from purchases") == [(2,)]


@SIGNALS
def test_a_report_that_waits_for_a_lock_ends_at_once_and_leaves_no_backend(
    bookstore: Bookstore, database_url: str, sql: Sql, start: Any, finish: Any, bookreport: Any, number: int, code: int
) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    bookreport("ingest")
    with held(database_url, "hour_sums"):
        process = start("report")
        wait_until(lambda: sql(WAITING) == [(1,)], process)
        process.send_signal(number)
        ended = finish(process)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("Error: interrupted")
    assert sql(BACKENDS) == [(0,)]


@SIGNALS
def test_a_load_that_waits_for_the_store_ends_at_once(sql: Sql, start: Any, finish: Any, number: int, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        process = start("ingest", S3_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(60)
            connection.recv(1000)
            sent = time.monotonic()
            process.send_signal(number)
            ended = finish(process)
    assert time.monotonic() - sent < 20  # the store would be waited for half a minute, five times
    assert (ended.code, ended.out) == (code, "")
    assert sql(BACKENDS) == [(0,)]
