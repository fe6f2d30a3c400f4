"""Signals: SIGINT and SIGTERM end a command at once, with nothing half done."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bookreport.errors import Interrupted

if TYPE_CHECKING:
    from types import FrameType


@contextmanager
def interruptible(cancel: Callable[[int], None] = lambda _: None) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into Interrupted within the block, even while waiting for Postgres.

    No Python handler runs while libpq waits. But the interpreter writes the signal's number to a socket at once, which wakes
    a thread that calls `cancel`, and that ends the wait.
    """
    wake, waker = socket.socketpair()
    waker.settimeout(0)

    def wait() -> None:
        while number := ord(wake.recv(1) or b"\0"):
            with suppress(Exception):
                cancel(number)

    def interrupt(number: int, _frame: FrameType | None) -> None:
        # The first signal does everything; a second one must not break the rollback.
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    descriptor = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=wait, name="signals", daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(descriptor)
        waker.send(b"\0")
        thread.join()
        wake.close()
        waker.close()
        for number, handler in before.items():
            signal.signal(number, handler)
