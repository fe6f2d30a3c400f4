"""TLS: what protects the connection to a server."""

from __future__ import annotations

import ipaddress
import logging
import socket
from dataclasses import dataclass
from enum import StrEnum

log = logging.getLogger(__name__)


class Certificate(StrEnum):
    """How far a server's certificate was verified."""

    VERIFIED = "certificate verified"
    BUT_NOT_ITS_NAME = "certificate verified, but not its host name"
    UNVERIFIED = "certificate not verified"


@dataclass(frozen=True)
class Protection:
    """What protects a connection: the `version` of TLS (None: it is plain), how far the server's certificate was verified.

    `is_within`: it does not leave this machine.
    """

    version: str | None
    certificate: Certificate
    is_within: bool

    def __str__(self) -> str:
        if self.version is None:
            return "plain, within this machine" if self.is_within else "plain"
        return f"{self.version}, {self.certificate}"

    def warn(self, server: str, remedy: str) -> None:
        """Log a warning, with the `remedy`, if others on the network could read along, or pose as `server`."""
        if not self.is_within and (self.version is None or self.certificate is Certificate.UNVERIFIED):
            log.warning("the connection to %s is unsafe (%s): %s; see TLS in the README", server, self, remedy)


def is_this_machine(host: str) -> bool:
    """Return whether `host`, a name or an address, always is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_within(connection: socket.socket) -> bool:
    """Return whether the other end of `connection` is on this machine."""
    if connection.family == socket.AF_UNIX:
        return True
    peer, own = connection.getpeername()[0], connection.getsockname()[0]
    return peer == own or is_this_machine(peer)
