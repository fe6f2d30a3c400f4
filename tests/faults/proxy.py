"""A TCP proxy that does to the bytes it passes whatever its `fault` says."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

PIECE = 16 * 1024
"""The most bytes read from a connection at once."""


class Cut(Exception):
    """Raised by a fault: end the connection, by FIN or by RST.

    `passed` still goes to the receiver; `answer` goes back to the sender.
    """

    def __init__(self, *, passed: bytes = b"", answer: bytes = b"", reset: bool = False) -> None:
        super().__init__()
        self.passed, self.answer, self.reset = passed, answer, reset


class Link:
    """One connection through the proxy; `notes` is for faults to remember things in."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.notes: dict[str, object] = {}


Fault = Callable[[Link, bool, bytes], bytes]
"""Called for every piece with its link and whether it goes to the server; returns what to pass on, or raises Cut."""


def no_fault(_link: Link, _to_server: bool, piece: bytes) -> bytes:
    return piece


class Proxy:
    """Listens on a loopback port until `close`; `reach` connects to the server behind it.

    `admit` makes of a client's connection the one that it speaks plainly through, as by taking its TLS off.
    """

    def __init__(
        self, reach: Callable[[], socket.socket], admit: Callable[[socket.socket], socket.socket] = lambda client: client
    ) -> None:
        self.fault: Fault = no_fault
        self.reach = reach
        self.admit = admit
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Stop listening, and wait until every connection has ended."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._forward, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, accepted: socket.socket) -> None:
        # One thread for both directions: a socket that another one still reads from can't be reset. A server that is
        # down, and a peer that has gone, end the connection like a cut.
        with accepted, suppress(OSError), self.admit(accepted) as client, self.reach() as server:
            link = Link(client, server)
            while True:
                for source in select.select([client, server], [], [])[0]:
                    target = server if source is client else client
                    piece = source.recv(PIECE)
                    if not piece:
                        return
                    try:
                        target.sendall(self.fault(link, source is client, piece))
                    except Cut as cut:
                        target.sendall(cut.passed)
                        source.sendall(cut.answer)
                        if cut.reset:
                            for end in (client, server):
                                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return
