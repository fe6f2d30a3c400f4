"""A command's result: in what format it is printed, and where it goes."""

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

    def require_writable(self) -> None:
        """Raise Configuration, before anything is done, when nothing could be written at the end."""
        self.output.require_writable()

    def write(self, text: str) -> None:
        """Write the result as it is."""
        self.output.write(text)
        self._written = True

    def write_json(self, document: dict[str, object]) -> None:
        """Write the result as JSON."""
        self.write(as_json(document))

    def say(self, sentence: str) -> None:
        """Tell a sentence on stderr and, where no result was written, in the file, which would else go on telling what was."""
        log.info("%s", sentence)
        if not self._written:
            self.output.write_aside(sentence)
