"""What takes the tool's full patience: a body that stalls, and a table that somebody else keeps locked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from faults.account import inspect
from faults.lab import Lab, marking
from faults.proxy import Cut, Link
from running import Ended


@pytest.fixture(scope="module")
def waits(lab: Lab) -> Iterator[dict[str, tuple[str, Ended]]]:
    """Two runs that have to wait, at the same time: by name their database, and how they ended."""
    stalled, locked = lab.new_database(), lab.new_database()
    over = threading.Event()

    watch = marking(r"hour=00/purchases-0002\.csv")

    def stall(link: Link, to_server: bool, piece: bytes) -> bytes:
        if not to_server and "asked" in link.notes:
            over.wait(100)
            raise Cut
        return watch(link, to_server, piece)

    lab.calm()
    lab.s3.fault = stall
    with closing(psycopg2.connect(lab.url(locked))) as holder, holder.cursor() as cursor:
        cursor.execute("lock table bookreport.purchase_rows in share mode")
        processes = {
            "stalled": lab.start(stalled, "ingest", "-v"),
            "locked": lab.start(locked, "ingest", "--json", "--hour", "2022-12-08T01"),
        }
        ended = {name: lab.end(process) for name, process in processes.items()}
    over.set()
    lab.calm()
    yield {"stalled": (stalled, ended["stalled"]), "locked": (locked, ended["locked"])}
    lab.drop(stalled)
    lab.drop(locked)


def test_a_body_that_stalls_is_taken_up_where_it_stopped(lab: Lab, waits: dict[str, tuple[str, Ended]]) -> None:
    database, ended = waits["stalled"]
    assert ended.code == 0, ended.err
    assert not inspect(lab.url(database), lab.hours, complete=True).told


def test_a_lock_that_never_comes_is_locked_and_the_next_run_loads_the_hour(
    lab: Lab, waits: dict[str, tuple[str, Ended]]
) -> None:
    database, ended = waits["locked"]
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (7, "locked", "2022-12-08T01:00:00Z"), ended.err
    assert not inspect(lab.url(database), lab.hours, complete=False).told
    assert not lab.finish(database).told
