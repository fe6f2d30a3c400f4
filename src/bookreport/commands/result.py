"""A command's result: its format, and where it goes."""

from __future__ import annotations

import logging

from bookreport.output import Output
from bookreport.present.words import as_json

log = logging.getLogger(__name__)


class Result:
    """Where a command's result goes, and the `format` in which it is printed."""

    def __init__(self, output: Output, format_: str) -> None:
        self.output = output
        self.format = format_
        self._written = False

    @property
    def is_json(self) -> bool:
        return self.format == "json"

    @property
    def is_told(self) -> bool:
        """Whether people read it on stdout."""
        return not self.is_json and self.output.path is None

    def require_writable(self) -> None:
        """Raise Configuration, before any work is done, if the result could not be written at the end."""
        self.output.require_writable()

    def write(self, text: str) -> None:
        """Write the result as it is."""
        self.output.write(text)
        self._written = True

    def write_json(self, document: dict[str, object]) -> None:
        """Write the result as JSON."""
        self.write(as_json(document))

    def say(self, sentence: str) -> None:
        """Log a sentence and, if no result was written, put it in the file too, which would otherwise keep its old content."""
        log.info("%s", sentence)
        if not self._written:
            self.output.write_aside(sentence)
