"""The lines of one file, as the strict reader takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from bookreport.rows import LONGEST_LINE, RowStream


class Lines:
    """The lines of a file's bytes, with a look-ahead that does not take them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._stream = RowStream(chunks)
        self._data = b""
        self._start = 0
        self._is_text = True
        self._at_end = False

    @property
    def seen(self) -> int:
        """Physical lines read so far, counted independently of taking them."""
        return self._stream.lines

    def fill(self, enough: int = 1) -> bool:
        """Read on until there are `enough` line ends, or LONGEST_LINE bytes, or the end; False if nothing is left."""
        while not self._at_end and not self._holds(enough) and len(self._data) - self._start <= LONGEST_LINE:
            chunk = self._stream.read()
            self._data = self._data[self._start :] + chunk
            self._start = 0
            if not chunk:
                self._at_end = True
                if self._data and not self._data.endswith(b"\n"):
                    self._data += b"\n"
            self._is_text = _is_utf8(self._data)
        return self._start < len(self._data)

    def plain_run(self, pattern: Callable[[bool], re.Pattern[bytes]]) -> bytes:
        """Take as many whole lines as match; b"" if the next one does not."""
        match = pattern(self._is_text).match(self._data, self._start)
        if match is None:
            return b""
        self._start = match.end()
        return match[0]

    def take(self) -> tuple[bytes, int]:
        """Take the next line: its bytes without LF, and its length (only the beginning of an overlong line is kept)."""
        end = self._data.find(b"\n", self._start)
        if end >= 0:
            line = self._data[self._start : end]
            self._start = end + 1
            return line, len(line)
        line = self._data[self._start :]
        length = len(line)
        self._data, self._start = b"", 0
        while chunk := self._stream.read():
            end = chunk.find(b"\n")
            length += len(chunk) if end < 0 else end
            if end >= 0:
                self._data = chunk[end + 1 :]
                self._is_text = _is_utf8(self._data)
                break
        return line, length

    def until_quote_closes(self, most: int) -> list[bytes]:
        """Return the lines up to the next one with an odd number of quotes; none if it is too far away."""
        self.fill(most)
        found = []
        start = self._start
        for _ in range(most):
            end = self._data.find(b"\n", start)
            if end < 0:
                return []
            found.append(self._data[start:end])
            if found[-1].count(b'"') % 2:
                return found
            start = end + 1
        return []

    def skip(self, lines: int) -> None:
        """Take lines that the look-ahead has returned."""
        for _ in range(lines):
            self._start = self._data.index(b"\n", self._start) + 1

    def _holds(self, line_ends: int) -> bool:
        start = self._start
        for _ in range(line_ends):
            start = self._data.find(b"\n", start) + 1
            if not start:
                return False
        return True


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    # The last line may be cut within a character; it is checked again once the rest is there.
    try:
        data[: data.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
