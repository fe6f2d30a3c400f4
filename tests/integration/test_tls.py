"""Connections that others on the network could read: told once, with what to set."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from bookreport import tls
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.tls import Certificate, Protection
from loading import OpenBucket

Warnings = Callable[[], list[str]]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes Postgres, which the tests have on this machine alone, another one."""
    monkeypatch.setattr("bookreport.database.is_within", lambda _connection: False)


@pytest.mark.usefixtures("elsewhere")
def test_a_plain_connection_to_a_postgres_elsewhere_is_told_once(database: Database, warnings: Warnings) -> None:
    for _ in range(2):
        with database.transaction(snapshot=True):
            pass
    (told,) = warnings()
    assert told.startswith("the connection to Postgres at ")
    assert told.endswith(" is unsafe (plain): set PGSSLMODE=verify-full and PGSSLROOTCERT; see TLS in the README")


def test_a_plain_connection_to_a_store_elsewhere_is_told(open_bucket: OpenBucket, warnings: Warnings) -> None:
    assert open_bucket(endpoint_url="http://minio.example.com:9000").protection.version is None
    (told,) = warnings()
    assert told.startswith("the connection to S3 at http://minio.example.com:9000 is unsafe (plain): ")
    assert "let S3_ENDPOINT_URL begin with https" in told


@pytest.mark.parametrize("url", ["https://minio.example.com:9000", "http://localhost:9000", "http://[::1]:9000", None])
def test_no_other_store_is_told(open_bucket: OpenBucket, warnings: Warnings, url: str | None) -> None:
    assert (open_bucket(endpoint_url=url).protection.version is None) == (url is not None and url.startswith("http:"))
    assert warnings() == []


def test_servers_on_this_machine_are_not_told(database: Database, bucket: Bucket, warnings: Warnings) -> None:
    bucket.clock()
    with database.transaction(snapshot=True):
        pass
    assert warnings() == []


@pytest.mark.parametrize("certificate", Certificate)
def test_tls_is_told_only_if_nothing_of_the_certificate_is_verified(certificate: Certificate, warnings: Warnings) -> None:
    Protection("TLSv1.3", certificate, is_within=False).warn("Postgres at db", "set it")
    unverified = [
        "the connection to Postgres at db is unsafe (TLSv1.3, certificate not verified): set it; see TLS in the README"
    ]
    assert warnings() == (unverified if certificate is Certificate.UNVERIFIED else [])


def test_what_does_not_leave_the_machine_is_within_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as connection:
        assert tls.is_within(connection)
    for pair in socket.socketpair():
        with pair:
            assert tls.is_within(pair)


@pytest.mark.parametrize(
    ("host", "is_this_machine"),
    [
        ("localhost", True),
        ("store.localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        ("minio", False),
        ("10.0.0.7", False),
        ("localhost.example.com", False),
        ("fe80::1", False),
    ],
)
def test_a_host_is_this_machine_by_its_name_or_address(host: str, is_this_machine: bool) -> None:
    assert tls.is_this_machine(host) is is_this_machine
