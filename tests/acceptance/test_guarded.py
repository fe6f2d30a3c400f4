"""Servers that are guarded: by TLS with a CA of one's own, by a key that can only list and get."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

import wire
from bookreport import demo
from bookstore import HOUR, csv_file
from certificates import Authority, Certificate
from faults.proxy import PIECE, Proxy
from loading import SOLD
from running import Ended, Run

PREFIX = "shop"
READER = {"MINIO_ROOT_USER": "reader", "MINIO_ROOT_PASSWORD": "secret-of-the-reader"}
IDENTITIES = {
    "identities": [
        {
            "name": "owner",
            "credentials": [{"accessKey": demo.ACCESS_KEY, "secretKey": demo.SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER["MINIO_ROOT_USER"], "secretKey": READER["MINIO_ROOT_PASSWORD"]}],
            "actions": [f"List:bookstore/{PREFIX}/*", f"Read:bookstore/{PREFIX}/*"],
        },
    ]
}


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "own-ca")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    """A CA that has signed nothing."""
    return Authority(folder, "another-ca")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    return authority.sign("localhost")


@pytest.fixture(scope="module")
def guarded(folder: Path, authority: Authority, certificate: Certificate) -> Iterator[Callable[..., Any]]:
    """An S3 server over TLS, with a bucket and two keys; makes a client with a key."""
    place = folder / "guarded-s3"
    place.mkdir()
    identities = place / "identities.json"
    identities.write_text(json.dumps(IDENTITIES))
    tls = [f"-s3.cert.file={certificate.certificate}", f"-s3.key.file={certificate.key}"]
    with demo.s3(place, options=[*tls, f"-s3.config={identities}"]) as plain:
        store = replace(plain, endpoint_url=plain.endpoint_url.replace("http://127.0.0.1", "https://localhost"))
        clients = []

        def client(access_key: str = store.access_key, secret_key: str = store.secret_key) -> Any:
            clients.append(
                boto3.client(
                    "s3",
                    endpoint_url=store.endpoint_url,
                    aws_access_key_id=access_key,
                    aws_secret_access_key=secret_key,
                    region_name="us-east-1",
                    verify=str(authority.path),
                )
            )
            return clients[-1]

        client().create_bucket(Bucket="bookstore")
        yield client
        for made in clients:
            made.close()


@pytest.fixture
def fill(guarded: Callable[..., Any]) -> Callable[..., None]:
    """Writes a complete hour below the prefix."""

    def run(hour: Any) -> None:
        for name, content in (("sold.csv", csv_file(SOLD)), ("FULL", b"")):
            guarded().put_object(Bucket="bookstore", Key=f"{PREFIX}/{hour.partition}{name}", Body=content)

    return run


@pytest.fixture
def postgres_port(database_url: str, certificate: Certificate) -> Iterator[int]:
    """The port of a Postgres that takes connections over TLS alone."""
    proxy = Proxy(wire.reach(database_url), wire.over_tls(certificate))
    yield proxy.port
    proxy.close()


@pytest.fixture
def settings(guarded: Callable[..., Any], postgres_port: int, database_url: str, authority: Authority) -> dict[str, str]:
    """The settings of a reader who verifies both servers."""
    database = urlsplit(database_url).path
    return {
        "DATABASE_URL": f"postgresql://postgres@localhost:{postgres_port}{database}",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(authority.path),
        "S3_ENDPOINT_URL": guarded().meta.endpoint_url,
        "AWS_CA_BUNDLE": str(authority.path),
        "S3_PREFIX": PREFIX,
        **READER,
    }


def messages(ended: Ended) -> dict[str, str]:
    """Return what `check --json` says of each prerequisite."""
    return {each["name"]: each["message"] for each in ended.json["checks"]}


def test_the_whole_job_works_over_tls_with_a_ca_of_ones_own(
    bookreport: Run, settings: dict[str, str], fill: Callable[..., None]
) -> None:
    fill(HOUR)
    for command in ("migrate", "ingest", "report", "verify"):
        ended = bookreport(command, **settings)
        assert ended.code == 0, ended.err
        assert "unsafe" not in ended.err
    found = messages(bookreport("check", "--json", **settings))
    assert found["bucket"].endswith("; TLSv1.3, certificate verified")
    assert found["postgres"].endswith("; TLSv1.3, certificate verified")


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("verify-ca", "TLSv1.3, certificate verified, but not its host name"),
        ("require", "TLSv1.3, certificate not verified"),
        ("prefer", "TLSv1.3, certificate not verified"),
    ],
)
def test_check_tells_how_far_postgres_is_verified(bookreport: Run, settings: dict[str, str], mode: str, told: str) -> None:
    root = settings["PGSSLROOTCERT"] if mode == "verify-ca" else None
    found = messages(bookreport("check", "--json", **settings | {"PGSSLMODE": mode, "PGSSLROOTCERT": root}))
    assert found["postgres"].endswith(f"; {told}")


def test_check_tells_plain_connections(bookreport: Run) -> None:
    found = messages(bookreport("check", "--json"))
    assert found["bucket"].endswith("; plain, within this machine")
    assert found["postgres"].endswith("; plain, within this machine")


@pytest.mark.parametrize("wrong", ["authority", "absent", "name"])
def test_a_postgres_that_can_not_be_trusted_is_a_matter_of_configuration(
    bookreport: Run, settings: dict[str, str], stranger: Authority, tmp_path: Path, wrong: str
) -> None:
    changed = {
        "authority": {"PGSSLROOTCERT": str(stranger.path)},
        "absent": {"PGSSLROOTCERT": str(tmp_path / "absent.crt")},
        "name": {"DATABASE_URL": settings["DATABASE_URL"].replace("localhost", "127.0.0.1")},
    }[wrong]
    ended = bookreport("report", **settings | changed)
    assert ended.code == 6, ended.err
    assert "check PGSSLMODE, PGSSLROOTCERT (the CA's certificate) and the host's name; see TLS in the README" in ended.err


@pytest.mark.parametrize("wrong", ["authority", "absent", "unset", "no certificate", "name", "port"])
def test_a_store_that_can_not_be_trusted_is_a_matter_of_configuration(
    bookreport: Run, settings: dict[str, str], stranger: Authority, tmp_path: Path, wrong: str, bookstore: Any
) -> None:
    (tmp_path / "empty").touch()
    changes: dict[str, dict[str, str | None]] = {
        "authority": {"AWS_CA_BUNDLE": str(stranger.path)},
        "absent": {"AWS_CA_BUNDLE": str(tmp_path / "absent.crt")},
        "unset": {"AWS_CA_BUNDLE": None},
        "no certificate": {"AWS_CA_BUNDLE": str(tmp_path / "empty")},
        "name": {"S3_ENDPOINT_URL": settings["S3_ENDPOINT_URL"].replace("localhost", "127.0.0.1")},
        "port": {"S3_ENDPOINT_URL": bookstore.store.endpoint_url.replace("http:", "https:")},
    }
    ended = bookreport("ingest", **{**settings, **changes[wrong]})
    assert ended.code == 6, ended.err
    assert re.search(
        r"check AWS_CA_BUNDLE \(the CA's certificate\), then .*S3_ENDPOINT_URL.*; see TLS in the README", ended.err
    )


def test_a_store_lost_during_the_tls_handshake_is_temporary(bookreport: Run, settings: dict[str, str]) -> None:
    def cut(client: socket.socket) -> socket.socket:
        # What is closed unread is reset, which is another error than an end.
        client.recv(PIECE)
        raise ConnectionAbortedError

    proxy = Proxy(lambda: socket.create_connection(("127.0.0.1", 1)), cut)
    ended = bookreport("ingest", **settings | {"S3_ENDPOINT_URL": f"https://localhost:{proxy.port}"})
    proxy.close()
    assert ended.code == 5, ended.err
    assert "lost during the TLS handshake" in ended.err


def test_http_and_https_of_an_endpoint_are_one_source(
    bookreport: Run, bookstore: Any, certificate: Certificate, authority: Authority
) -> None:
    store = urlsplit(bookstore.store.endpoint_url)
    proxy = Proxy(lambda: socket.create_connection((store.hostname, store.port)))
    settings = {"AWS_CA_BUNDLE": str(authority.path)}
    bookstore.fill(HOUR, csv_file(SOLD))
    assert bookreport("ingest", S3_ENDPOINT_URL=f"http://localhost:{proxy.port}").code == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    proxy.admit = lambda client: context.wrap_socket(client, server_side=True)
    bookstore.fill(HOUR + 1, csv_file(SOLD))
    ended = bookreport("ingest", "--json", S3_ENDPOINT_URL=f"https://localhost:{proxy.port}", **settings)
    proxy.close()
    assert ended.code == 0, ended.err
    assert ended.json["loaded"] == 1


def test_a_key_that_can_list_and_get_one_prefix_is_enough(
    bookreport: Run, settings: dict[str, str], fill: Callable[..., None], guarded: Callable[..., Any]
) -> None:
    fill(HOUR)
    for command in ("ingest", "report", "verify", "status", "check", "ingest --dry-run"):
        ended = bookreport(*command.split(), **settings)
        assert ended.code == 0, ended.err
    fill(HOUR + 1)
    ended = bookreport("run-hour", "--json", **settings)
    assert ended.code == 0, ended.err
    assert ended.json["loaded"] == 1

    reader, key = guarded(*READER.values()), f"{PREFIX}/{HOUR.partition}sold.csv"
    attempts: list[Callable[[], Any]] = [
        lambda: reader.put_object(Bucket="bookstore", Key=key, Body=b"x"),
        lambda: reader.put_object(Bucket="bookstore", Key=f"{PREFIX}/more.csv", Body=b"x"),
        lambda: reader.delete_object(Bucket="bookstore", Key=key),
        lambda: reader.get_object(Bucket="bookstore", Key=f"elsewhere/{key}"),
        lambda: reader.list_objects_v2(Bucket="bookstore", Prefix="elsewhere/"),
        lambda: reader.list_objects_v2(Bucket="bookstore"),
    ]
    for forbidden in attempts:
        with pytest.raises(ClientError, match="AccessDenied"):
            forbidden()
    assert guarded().get_object(Bucket="bookstore", Key=key)["Body"].read() == csv_file(SOLD)
    ended = bookreport("ingest", "--new-source", **settings | {"S3_PREFIX": "elsewhere"})
    assert ended.code == 6, ended.err
    assert "denied access" in ended.err
