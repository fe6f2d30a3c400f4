"""The log on stderr: sentences for people, or one JSON object per line."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from bookreport.messages import MOST, json_text, sentence, traced

EVENT_FIELDS = ("run_id", "hour", "outcome", "file", "rows", "bytes", "seconds")
"""What an event of --log-format json contains besides its message; null if it does not apply."""


class StderrHandler(logging.Handler):
    """One line on stderr per record, fit to be printed whatever it quotes: JSON, or a sentence.

    A record may have `error`, a document that its JSON joins, and `more`, lines that follow its sentence. `write` may be
    replaced while something else is shown on the terminal.
    """

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.run_id: str | None = None
        self.write: Callable[[str], object] = _to_stderr
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        # An error's sentence, and its hint.
        message = sentence(record.getMessage(), 2 * MOST)
        if self._as_json:
            instant = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            event = {"time": instant, "level": record.levelname.lower(), "message": message}
            fields = {name: getattr(record, name, None) for name in EVENT_FIELDS} | {"run_id": self.run_id}
            self.write(json_text(getattr(record, "error", {}) | event | fields) + "\n")
            return
        first = ("" if record.levelno < logging.WARNING else f"{record.levelname.capitalize()}: ") + message
        self.write("".join(f"{line}\n" for line in (first, *(sentence(line) for line in getattr(record, "more", ())))))
        if record.exc_info:
            self.write(traced("".join(traceback.format_exception(*record.exc_info))))


def _to_stderr(text: str) -> None:
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
