"""The installed command, run as its user runs it: by its name, with nothing but environment variables."""

import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import documents
from bookstore import Bookstore

PASSWORD = "hunter2-of-postgres"


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return documents.read(self.out)

    @property
    def error(self) -> Any:
        """The last line on stderr, which is a failure's JSON."""
        return documents.read(self.err.splitlines()[-1])


@pytest.fixture
def command() -> str:
    """The installed command."""
    return str(Path(sysconfig.get_path("scripts"), "bookreport"))


@pytest.fixture
def environment(database_url: str, bookstore: Bookstore, tmp_path: Path) -> dict[str, str]:
    """All that the command gets to know."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DATABASE_URL": database_url.replace("postgres:@", f"postgres:{PASSWORD}@"),
        "S3_ENDPOINT_URL": bookstore.store.endpoint_url,
        "S3_BUCKET": bookstore.bucket,
        "MINIO_ROOT_USER": bookstore.store.access_key,
        "MINIO_ROOT_PASSWORD": bookstore.store.secret_key,
    }


@pytest.fixture
def start(command: str, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command; a setting given by name is set for it alone, None takes one away."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **settings: str | None) -> subprocess.Popen[str]:
        given = {name: value for name, value in (environment | settings).items() if value is not None}
        started.append(
            subprocess.Popen(
                [command, *arguments],
                env=given,
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def finish(environment: dict[str, str], tmp_path: Path) -> Callable[[subprocess.Popen[str]], Finished]:
    """Waits for a command's end. No command may ever say a password, or print a document that does not fit its schema."""

    def wait(process: subprocess.Popen[str]) -> Finished:
        out, err = process.communicate(timeout=120)
        for secret in (PASSWORD, environment["MINIO_ROOT_PASSWORD"]):
            assert secret not in out + err
        documents.read_all(tmp_path, [str(argument) for argument in process.args], out, err)
        return Finished(process.returncode, out, err)

    return wait


@pytest.fixture
def bookreport(
    start: Callable[..., subprocess.Popen[str]], finish: Callable[[subprocess.Popen[str]], Finished]
) -> Callable[..., Finished]:
    """Runs the command to its end."""
    return lambda *arguments, **settings: finish(start(*arguments, **settings))
