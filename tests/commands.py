"""The commands, each in a process of its own, without the half second that it takes to import them."""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import running

ENDED_SECONDS = 120.0
"""No command of these tests takes so long, unless it waits for what never comes."""


@dataclass(frozen=True)
class Ended(running.Ended):
    """How a command ended, what it printed, and what it was called with."""

    arguments: tuple[str, ...]

    def __str__(self) -> str:
        told = [f"bookreport {' '.join(self.arguments)}: exit code {self.code}", *self.err.splitlines()]
        return "\n  ".join(line[:300] for line in told)


class Started:
    """A command under way."""

    def __init__(self, arguments: Sequence[str], connection: socket.socket) -> None:
        self.arguments = tuple(arguments)
        self._connection = connection
        self._answer = b""

    def has_ended(self) -> bool:
        """Say, without waiting, whether it has ended."""
        self._connection.setblocking(False)
        try:
            while piece := self._connection.recv(1 << 16):
                self._answer += piece
        except BlockingIOError:
            return False
        return True

    def end(self) -> Ended:
        """Wait for its end; raises TimeoutError when that does not come."""
        self._connection.settimeout(ENDED_SECONDS)
        while piece := self._connection.recv(1 << 16):
            self._answer += piece
        self._connection.close()
        assert self._answer, f"{self.arguments} died"
        answer = json.loads(self._answer)
        return Ended(answer["code"], answer["out"], answer["err"], self.arguments)


class Commands:
    """Starts commands, with nothing but the environment that is given with each."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path, *, impatient: bool = False
    ) -> Started:
        """Start a command in `folder`; `impatient`: it does not try again to connect to Postgres."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._address))
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
            "impatient": impatient,
        }
        connection.sendall(json.dumps(request).encode() + b"\n")
        return Started(arguments, connection)


@contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """Give the starter of commands; its socket lies in `folder`."""
    address = folder / "commands.sock"
    with subprocess.Popen([sys.executable, __file__, str(address)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield Commands(address)
        server.kill()


def _serve(address: str) -> None:
    """Import all that commands need, then fork for each that is asked for."""
    import boto3
    import click

    from bookreport import cli
    from bookreport.database import Database

    for name in cli.COMMANDS:
        cli.commands.get_command(click.Context(cli.commands), name)

    # What both servers' clients read when the first of each is made is read once.
    boto3.client("s3", endpoint_url="http://127.0.0.1", aws_access_key_id="x", aws_secret_access_key="x")
    Database("postgresql://").close()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(16)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(connection)
        connection.close()


def _answer(connection: socket.socket) -> None:
    """Run the one command that is asked for, and end the process."""
    from bookreport import database

    with connection.makefile("r") as lines:
        request = json.loads(lines.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    if request["impatient"]:
        database.FIRST_PATIENCE = 0.0
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code = _run(request["arguments"])
        answer = {"code": code, "out": _text(out), "err": _text(err)}
    connection.sendall(json.dumps(answer).encode())
    os._exit(0)


def _run(arguments: list[str]) -> int:
    from bookreport import cli

    try:
        cli.main(arguments)
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        return int(end.code or 0)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


if __name__ == "__main__":
    _serve(sys.argv[1])
