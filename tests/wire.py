"""As much of Postgres's wire protocol as stands before it: who asks for TLS, TLS itself, a refusal.

The Postgres of the tests is built without TLS; a proxy takes it off, as a pooler does.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import psycopg2.extensions

from certificates import Certificate

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
ENCRYPTION_REQUESTS = (SSL_REQUEST, struct.pack("!ii", 8, 80877104))


def refusal(message: str, state: str) -> bytes:
    """Return a server's refusal of a connection, with its SQLSTATE."""
    fields = f"SFATAL\0VFATAL\0C{state}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


def reach(url: str) -> Callable[[], socket.socket]:
    """Return how to connect to the server of `url`, which listens on a Unix socket."""
    path = Path(psycopg2.extensions.parse_dsn(url)["host"]) / ".s.PGSQL.5432"

    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.connect(str(path))
        return made

    return connect


def over_tls(certificate: Certificate) -> Callable[[socket.socket], socket.socket]:
    """Return how a server with this certificate admits connections: over TLS alone (`hostssl` in pg_hba.conf)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)

    def admit(client: socket.socket) -> socket.socket:
        if client.recv(8) != SSL_REQUEST:
            client.recv(4096)
            client.sendall(refusal("kein pg_hba.conf-Eintrag, keine Verschlüsselung", "28000"))
            raise ConnectionAbortedError
        client.sendall(b"S")
        return context.wrap_socket(client, server_side=True)

    return admit
