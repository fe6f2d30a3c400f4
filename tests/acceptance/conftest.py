"""The installed command, run as a user runs it: by name, with nothing but environment variables."""

import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import documents
from bookstore import Bookstore
from running import Ended, Finish, Run, Start

PASSWORD = "hunter2-of-postgres"


@pytest.fixture
def command() -> str:
    """The installed command."""
    return str(Path(sysconfig.get_path("scripts"), "bookreport"))


@pytest.fixture
def environment(database_url: str, bookstore: Bookstore, tmp_path: Path) -> dict[str, str]:
    """The whole environment of the command."""
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
def start(command: str, environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts the command; keyword arguments set environment variables for this run, None unsets one."""
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
def finish(environment: dict[str, str], tmp_path: Path) -> Finish:
    """Waits for the command to end. No command may print a password, or a document that does not fit its schema."""

    def wait(process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate(timeout=120)
        for secret in (PASSWORD, environment["MINIO_ROOT_PASSWORD"]):
            assert secret not in out + err
        assert isinstance(process.args, list)
        documents.read_all(tmp_path, process.args, out, err)
        return Ended(process.returncode, out, err)

    return wait


@pytest.fixture
def bookreport(start: Start, finish: Finish) -> Run:
    """Runs the command to its end."""
    return lambda *arguments, **settings: finish(start(*arguments, **settings))
