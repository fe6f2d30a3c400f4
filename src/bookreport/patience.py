"""Patience: how long a run goes on trying what an outage, of the store or of Postgres, keeps it from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from bookreport.errors import Temporary

log = logging.getLogger(__name__)

POLL_SECONDS = 20.0
"""How often to try again."""

Found = TypeVar("Found")


class Patience:
    """So much time from now on; none by default."""

    def __init__(self, duration: timedelta | None = None) -> None:
        self._deadline = time.monotonic() + (duration or timedelta()).total_seconds()
        self._is_told = False

    @property
    def is_left(self) -> bool:
        """Whether there is time for another try."""
        return time.monotonic() < self._deadline

    def pause(self, outage: Temporary | None = None) -> None:
        """Sleep until it is time for the next try, or time is up; an `outage` is told when it begins."""
        if outage is not None and not self._is_told:
            log.info("%s; trying again, as --wait says", outage.message)
        self._is_told = outage is not None
        # S3 and Postgres tell nobody that they are back, nor S3 that a marker has come: only asking again shows it.
        time.sleep(max(0.0, min(POLL_SECONDS, self._deadline - time.monotonic())))

    def outlast(self, attempt: Callable[[], Found]) -> Found:
        """Return what `attempt` returns; while time is left, one that an outage ends is made again."""
        while True:
            try:
                return attempt()
            except Temporary as error:
                if not self.is_left:
                    raise
                self.pause(error)
