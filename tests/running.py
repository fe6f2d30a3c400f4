"""Shared by tests of the command: the types of their fixtures, how it ended, and how to hold it up."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import documents
from connection import connected


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return documents.read(self.out)

    @property
    def error(self) -> Any:
        """The JSON of the failure: the last line on stderr."""
        return documents.read(self.err.splitlines()[-1])


BACKENDS = "select count(*) from pg_stat_activity where application_name ~ '^bookreport' and datname = current_database()"
WAITING = f"{BACKENDS} and wait_event_type = 'Lock'"

Run = Callable[..., Ended]
Start = Callable[..., subprocess.Popen[str]]
Finish = Callable[[subprocess.Popen[str]], Ended]


@contextmanager
def locked(database_url: str, table: str) -> Iterator[None]:
    """Lock a table, as somebody's open transaction would."""
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
