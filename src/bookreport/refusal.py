"""Why Postgres refuses a connection: for good, or for now; the server may say so in any language."""

from __future__ import annotations

import ctypes
import re
import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2 import errorcodes as codes

ASKING_SECONDS = 5.0
"""How long to wait for the reason; a server that is slower to give it is not refusing."""

TLS_HINT = "check PGSSLMODE, PGSSLROOTCERT (the CA's certificate) and the host's name; see TLS in the README"

_PQERRORS_SQLSTATE = 3

_FOR_GOOD = (
    codes.CLASS_FEATURE_NOT_SUPPORTED,
    codes.CLASS_DATA_EXCEPTION,
    codes.CLASS_INVALID_AUTHORIZATION_SPECIFICATION,
    codes.CLASS_INVALID_CATALOG_NAME,
    codes.CLASS_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION,
)

# What libpq finds out itself has no SQLSTATE, but its words are always these: it translates them by LC_MESSAGES, and Python
# sets only LC_CTYPE. Whatever is not listed, such as a connection lost during the TLS handshake, is temporary.
_TLS_FOR_GOOD = re.compile(
    r"certificate|private key|private SSL key|does not support SSL|SSL negotiation|weak sslmode|SSL protocol"
    r"|SSL error: .*(alert|protocol|version)"
)
_ACCESS_FOR_GOOD = re.compile(
    r"^invalid |no password supplied|authentication (method|request)|channel binding|requirepeer"
    r"|definition of service|service file"
)


def hint(parameters: Mapping[str, Any], settings: str) -> str | None:
    """Connect with `parameters` once more, after a failure; return what to do if it is refused for good, None if for now.

    `settings`: those that the parameters are from, as the hint names them.

    psycopg2 has no SQLSTATE of a connection that was refused, and the server's words are in its own language. But an
    asynchronous connection exists before it is made: in time to tell libpq to say the SQLSTATE in place of the words.
    """
    try:
        _ask(psycopg2.connect(**parameters, async_=True))
    except psycopg2.Error as error:
        # With several hosts, or both with and without TLS, libpq tries each; one that may come back is enough.
        parts = re.split(r"^connection to server .*? failed: ", str(error), flags=re.M)
        found = [_hint(part, settings) for part in parts if part.strip()]
        return found[0] if found and None not in found else None
    return None


def _ask(connection: psycopg2.extensions.connection) -> None:
    libpq = ctypes.CDLL(psycopg2._psycopg.__file__)
    libpq.PQsetErrorVerbosity(ctypes.c_void_p(connection.pgconn_ptr), _PQERRORS_SQLSTATE)
    deadline = time.monotonic() + ASKING_SECONDS
    try:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK and time.monotonic() < deadline:
            reads, writes = ([connection], []) if state == psycopg2.extensions.POLL_READ else ([], [connection])
            select.select(reads, writes, [], ASKING_SECONDS)
    finally:
        connection.close()


def _hint(said: str, settings: str) -> str | None:
    # Names of hosts and files must not be taken for words.
    said = re.sub(r'"[^"\n]*"', '""', said)
    if state := re.search(r":  ([0-9A-Z]{5})$", said, re.M):
        return f"check {settings}" if state[1][:2] in _FOR_GOOD else None
    if _TLS_FOR_GOOD.search(said):
        return TLS_HINT
    return f"check {settings}" if _ACCESS_FOR_GOOD.search(said) else None
