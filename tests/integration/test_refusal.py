"""A connection that Postgres refuses: for good (configuration) or for now (temporary), whatever language it speaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import wire
from bookreport.database import Database
from bookreport.errors import BookreportError, Configuration, Temporary
from certificates import Authority
from faults.proxy import Cut, Fault, Link, Proxy, no_fault


@contextmanager
def refusing(*answers: tuple[str, str] | None) -> Iterator[int]:
    """Refuse the first connections with these messages and SQLSTATEs in turn (None: drop it), all others with the last one.

    It speaks as much of Postgres's protocol as a refusal needs. Gives its port.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def listen() -> None:
        left = list(answers)
        with suppress(OSError):
            while True:
                with listener.accept()[0] as client:
                    while (request := client.recv(4096)) in wire.ENCRYPTION_REQUESTS:
                        client.sendall(b"N")
                    # A connection that is only probed, or given up, sends nothing.
                    answer = left.pop(0) if request and len(left) > 1 else left[0]
                    if answer is not None:
                        client.sendall(wire.refusal(*answer))

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def failure(url: str) -> BookreportError:
    """Return how a transaction ends there."""
    database = Database(url)
    with pytest.raises(BookreportError) as caught, database.transaction():
        pass
    database.close()
    return caught.value


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("message", "state", "kind"),
    [
        ("tut mir leid, schon zu viele Verbindungen", "53300", Temporary),
        ("das Datenbanksystem startet", "57P03", Temporary),
        ("das Datenbanksystem fährt herunter", "57P03", Temporary),
        ("Speicher aufgebraucht", "53200", Temporary),
        ("Datenbank »shop« akzeptiert gegenwärtig keine Verbindungen", "55000", Temporary),
        ("konnte Datei »global/pg_filenode.map« nicht öffnen", "58P01", Temporary),
        ("invalid password: SSL certificate (words decide nothing)", "53300", Temporary),
        ("Passwort-Authentifizierung für Benutzer »ana« fehlgeschlagen", "28P01", Configuration),
        ("kein pg_hba.conf-Eintrag für Host »10.0.0.7«", "28000", Configuration),
        ("Datenbank »shop« existiert nicht", "3D000", Configuration),
        ("keine Berechtigung für Datenbank »shop«", "42501", Configuration),
        ("ungültiger Wert für Parameter »TimeZone«", "22023", Configuration),
        ("too many connections, starting up (words decide nothing)", "28P01", Configuration),
    ],
)
def test_a_refusal_is_judged_by_its_sqlstate_in_any_language(message: str, state: str, kind: type[BookreportError]) -> None:
    with refusing((message, state)) as port:
        failed = failure(f"postgresql://ana:hunter2@127.0.0.1:{port}/shop")
    assert type(failed) is kind
    assert message in failed.message
    assert "DATABASE_URL, POSTGRES_* or PG*" in str(failed.hint)
    assert "hunter2" not in f"{failed.message} {failed.hint}"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("second", [("das Datenbanksystem startet", "57P03"), None])
def test_of_two_hosts_one_that_may_come_back_is_enough(second: tuple[str, str] | None) -> None:
    refused = ("Passwort-Authentifizierung fehlgeschlagen", "28P01")
    with refusing(second) as first_port, refusing(refused) as second_port:
        url = f"postgresql://ana@/shop?host=127.0.0.1:{first_port}&host=127.0.0.1:{second_port}"
        assert type(failure(url)) is Temporary


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "options", ["sslmode=sometimes", "sslmode=require", "sslmode=verify-full&sslrootcert=absent.crt", "service=absent"]
)
def test_what_libpq_itself_will_not_do_is_a_matter_of_configuration(options: str) -> None:
    with refusing(("tut mir leid, schon zu viele Verbindungen", "53300")) as port:
        assert type(failure(f"postgresql://ana@127.0.0.1:{port}/shop?{options}")) is Configuration


@pytest.mark.usefixtures("impatient")
def test_words_in_a_host_name_decide_nothing() -> None:
    # A label this long is no name, so nobody is asked for it.
    failed = failure(f"postgresql://ana@certificate.{'x' * 64}/shop")
    assert "could not translate host name" in failed.message
    assert type(failed) is Temporary


@pytest.fixture
def proxy(server: Callable[[str], str], folder: Path) -> Iterator[Proxy]:
    """A proxy before a Postgres that takes connections over TLS alone."""
    certificate = Authority(folder, "refusal-ca").sign("127.0.0.1")
    terminator = Proxy(wire.reach(server("postgres")), wire.over_tls(certificate))
    made = Proxy(lambda: socket.create_connection(("127.0.0.1", terminator.port)))
    yield made
    made.close()
    terminator.close()


def losing(handshakes: int) -> tuple[Fault, list[Link]]:
    """Return a fault that cuts the first connections within their TLS handshake, and the list of those that it cut."""
    cut: list[Link] = []

    def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
        # A TLS record that carries a handshake starts with 22.
        if to_server and piece[0] == 22 and len(cut) < handshakes:
            cut.append(link)
            raise Cut
        return piece

    return fault, cut


@pytest.mark.parametrize("mode", ["prefer", "require"])
def test_a_server_lost_while_connecting_over_tls_is_temporary_and_the_next_try_connects(proxy: Proxy, mode: str) -> None:
    """With `prefer`, libpq then tries without TLS, which this server refuses for good."""
    proxy.fault, cut = losing(4)
    database = Database(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode={mode}")
    with database.transaction() as transaction:
        assert transaction.raw.info.ssl_in_use
    database.close()
    assert len(cut) == 4


@pytest.mark.usefixtures("impatient")
def test_a_server_that_refuses_connections_without_tls_is_a_matter_of_configuration(proxy: Proxy) -> None:
    proxy.fault = no_fault
    assert type(failure(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres?sslmode=disable")) is Configuration
