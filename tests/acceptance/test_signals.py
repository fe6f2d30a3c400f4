"""Ctrl-C and SIGTERM, whatever the command is waiting for."""

import signal
import socket
import time

import pytest

from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from running import BACKENDS, WAITING, Finish, Run, Start, locked, wait_until
from truth import Purchase

SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])


@SIGNALS
def test_a_load_that_waits_for_a_lock_ends_at_once_and_leaves_no_backend(
    bookstore: Bookstore, database_url: str, sql: Sql, start: Start, finish: Finish, bookreport: Run, number: int, code: int
) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    bookstore.fill(HOUR + 1, csv_file([Purchase("ana", ENGLISH)]))
    assert bookreport("ingest", "--hour", str(HOUR)).code == 0
    with locked(database_url, "hour_sums"):
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
    bookstore: Bookstore, database_url: str, sql: Sql, start: Start, finish: Finish, bookreport: Run, number: int, code: int
) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    bookreport("ingest")
    with locked(database_url, "hour_sums"):
        process = start("report")
        wait_until(lambda: sql(WAITING) == [(1,)], process)
        process.send_signal(number)
        ended = finish(process)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("Error: interrupted")
    assert sql(BACKENDS) == [(0,)]


@SIGNALS
def test_a_load_that_waits_for_the_store_ends_at_once(sql: Sql, start: Start, finish: Finish, number: int, code: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60)
        process = start("ingest", S3_ENDPOINT_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(60)
            connection.recv(1000)
            process.send_signal(number)
            ended = finish(process)
    assert (ended.code, ended.out) == (code, "")
    assert sql(BACKENDS) == [(0,)]
