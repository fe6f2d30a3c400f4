"""The lines of one file, as the strict reader takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from bookreport.rows import LONGEST_LINE, RowStream, end_of_blank_lines


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

    def fill(self) -> bool:
        """Read on until there is a line end, or LONGEST_LINE bytes, or the end; False if nothing is left."""
        while self._data.find(b"\n", self._start) < 0 and self._read_on():
            pass
        return self._start < len(self._data)

    def plain_run(self, pattern: Callable[..., re.Pattern[bytes]]) -> bytes:
        """Take as many whole lines as match `pattern(is_text=…)`; b"" if the next one does not."""
        match = pattern(is_text=self._is_text).match(self._data, self._start)
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
        """Return the lines up to the next one with an odd number of quotes.

        None if it is over `most` lines or LONGEST_LINE bytes away.
        """
        found: list[bytes] = []
        ahead = 0
        while len(found) < most:
            start = self._start + ahead
            end = self._data.find(b"\n", start)
            if end < 0:
                if not self._read_on():
                    return []
                continue
            # How much is read by now depends on the chunks, which differ between a plain file, its gzip and a second try.
            if end - self._start > LONGEST_LINE:
                return []
            found.append(self._data[start:end])
            if found[-1].count(b'"') % 2:
                return found
            ahead = end + 1 - self._start
        return []

    def blank_run(self) -> int:
        """Take the blank lines that come next; return how many there are."""
        start, self._start = self._start, end_of_blank_lines(self._data, self._start)
        return self._data.count(b"\n", start, self._start)

    def skip(self, lines: int) -> None:
        """Take lines that the look-ahead has returned."""
        for _ in range(lines):
            self._start = self._data.index(b"\n", self._start) + 1

    def _read_on(self) -> bool:
        """Read another chunk; False, with nothing read, at the end, or if LONGEST_LINE bytes wait to be taken."""
        if self._at_end or len(self._data) - self._start > LONGEST_LINE:
            return False
        chunk = self._stream.read()
        self._data = self._data[self._start :] + chunk
        self._start = 0
        if not chunk:
            self._at_end = True
            if self._data and not self._data.endswith(b"\n"):
                self._data += b"\n"
        self._is_text = _is_utf8(self._data)
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
