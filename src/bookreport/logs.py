"""The log on stderr: sentences for people, or one JSON object per line."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

EVENT_FIELDS = ("run_id", "hour", "outcome", "file", "rows", "bytes", "seconds")
"""What an event of --log-format json contains besides its message; null if it does not apply."""


class StderrHandler(logging.Handler):
    """One line on stderr per record: JSON, or a sentence in which terminal controls are made visible."""

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
    """Send bookreport's log to `handler` alone: only errors if `quiet`, everything if `verbose`."""
    # What libraries log is not meant for users; without a handler, Python would print it.
    logging.getLogger().addHandler(logging.NullHandler())
    logger = logging.getLogger("bookreport")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
