"""The log on stderr: sentences for people, or one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

EVENT_FIELDS = ("run_id", "hour", "outcome", "file", "rows", "bytes", "seconds")
"""What an event of --log-format json tells beside its message; null where it has no such thing."""


class StderrHandler(logging.Handler):
    """One line on stderr for each record: a sentence in which what would steer a terminal is made visible, or JSON."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.run_id: str | None = None
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        if self._as_json:
            instant = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            event = {"time": instant, "level": record.levelname.lower(), "message": record.getMessage()}
            fields = {name: getattr(record, name, None) for name in EVENT_FIELDS} | {"run_id": self.run_id}
            self._write(json.dumps(event | fields, ensure_ascii=False) + "\n")
            return
        message = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in record.getMessage())
        self._write(("" if record.levelno < logging.WARNING else f"{record.levelname.capitalize()}: ") + message + "\n")
        if record.exc_info:
            self._write("".join(traceback.format_exception(*record.exc_info)))

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def set_up(handler: logging.Handler, *, quiet: bool, verbose: bool) -> None:
    """Send what bookreport logs to `handler` alone: errors where it is to be `quiet`, everything where `verbose`."""
    # What libraries log is no sentence for users; without a handler Python would print it.
    logging.getLogger().addHandler(logging.NullHandler())
    logger = logging.getLogger("bookreport")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
