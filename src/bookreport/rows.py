"""CSV of one file: how a record is split, what each column means, where the rows begin, how many lines went by."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

from bookreport.columns import REQUIRED, VALUE, Columns, NoColumn, Reading, fold, shown
from bookreport.errors import BadData, CopyRefused

LONGEST_HEADER = 64 * 1024
"""Bytes within which a file's header must end."""

LONGEST_LINE = 1 << 20
"""Maximum bytes of a line; a longer one is set aside, with only its beginning."""

BLANKS = " \t\u00a0\ufeff"
"""What is ignored at either end of a user or an ISBN."""

OTHER_QUOTES = {"'": "'", "\u2018": "\u2019", "\u201c": "\u201d"}
"""Marks that some use for quotes: how they open and close a field."""

PREAMBLE_LINES = 50
"""Lines searched for the header of a refused file, to name it in the message."""

_BOM = b"\xef\xbb\xbf"


class NotCsv(ValueError):
    """A record is not CSV by RFC 4180 section 2; the text says why. `field` is the number of the field, from 1."""

    def __init__(self, reason: str, field: int) -> None:
        super().__init__(reason)
        self.field = field


class NotClosed(NotCsv):
    """A quote is still open at the end of the record."""


def split_record(text: str) -> list[str]:
    """Return the fields of one record, given without its line end; a header is a record too.

    Stricter than COPY, which accepts a quote anywhere in a field and drops it. Raises NotCsv.
    """
    if '"' not in text and "\r" not in text:
        return text.split(",")
    fields: list[str] = []
    position = 0
    while True:
        match = _FIELD.match(text, position)
        if match is None or (not match[0] and text.startswith('"', position)):
            raise NotClosed("a quote is not closed on its line", len(fields) + 1)
        fields.append(match[0] if match[1] is None else match[1].replace('""', '"'))
        position = match.end()
        if position == len(text):
            return fields
        if text[position] != ",":
            raise NotCsv(_misplaced(text[position], fields, match[0]), len(fields))
        position += 1


_FIELD = re.compile(r'"([^"]*+(?:""[^"]*+)*+)"|[^,"\r]*+')


def _misplaced(what: str, fields: Sequence[str], begun: str) -> str:
    if begun.startswith('"'):
        return f"field {len(fields)} has text after its closing quote"
    if what == "\r":
        return f"field {len(fields)} contains a line break but is not quoted"
    if not begun.strip(BLANKS):
        return f"field {len(fields)} has a space before its opening quote"
    if begun == "=":
        return f'field {len(fields)} is a spreadsheet formula, ="…"'
    return f"field {len(fields)} contains a quote but is not quoted"


@dataclass(frozen=True)
class Body:
    """A file behind its header: `reading` is None if it has no header because it is empty, or only blank.

    `header_lines`: physical lines up to and including the header; `blank_lines`: those of them that are blank.
    """

    reading: Reading | None
    chunks: Iterator[bytes]
    header_lines: int = 0
    blank_lines: int = 0


def read_header(chunks: Iterable[bytes], columns: Columns) -> Body:
    """Take the header off a file's bytes, skipping blank lines before it.

    Raises BadData, naming the line, if it is no header on one line of CSV in UTF-8, or not one that `columns` understands.
    """
    source = iter(chunks)
    if columns.given is not None:
        return Body(columns.given, _without_bom(source))
    start, blank_lines = _from_first_line(source)
    if not start:
        return Body(None, source, blank_lines, blank_lines)
    end = start.find(b"\n") + 1 or len(start)
    number = blank_lines + 1
    try:
        header = _split_header(start[:end])
        try:
            reading = columns.read(header)
        except NoColumn as error:
            raise _explained(error, header, start[end:], number, columns) from None
    except BadData as error:
        raise BadData(f"line {number}: {error.message}", hint=error.hint) from None
    return Body(reading, _chain(start[end:], source), number, blank_lines)


@contextmanager
def opened(content: Iterable[bytes], columns: Columns, meanwhile: Callable[[], None]) -> Iterator[Body]:
    """Yield the body of a file whose bytes are `content`, as `read_header` does; `meanwhile` is called before each chunk."""

    def watched() -> Generator[bytes]:
        for chunk in content:
            meanwhile()
            yield chunk

    with closing(watched()) as chunks:
        yield read_header(chunks, columns)


_BLANK = re.compile(rb"(?:[ \t\r\n\v\f]++|\xef\xbb\xbf)*+")
_LEADING_BOMS = re.compile(rb"\A(?:\xef\xbb\xbf)++")


def end_of_blank_lines(data: bytes, start: int) -> int:
    """Return where the blank lines end that begin at `start`: there, if there are none."""
    blank = _BLANK.match(data, start)
    return (blank and data.rfind(b"\n", start, blank.end()) + 1) or start


def _from_first_line(source: Iterator[bytes]) -> tuple[bytes, int]:
    """Return a file's bytes from its first non-blank line on, with that line whole, and how many lines were blank."""
    start = b""
    blank_lines = 0
    for chunk in source:
        start += chunk
        end = end_of_blank_lines(start, 0)
        blank_lines += start.count(b"\n", 0, end)
        start = start[end:]
        if b"\n" in start:
            break
        if not start.replace(_BOM, b"").strip():
            # However long a blank line without an end is, one blank stands for all of it.
            start = start.replace(_BOM, b"")[-1:]
        elif len(start) > LONGEST_HEADER:
            break
    start = _LEADING_BOMS.sub(b"", start)
    return (start, blank_lines) if start.strip() else (b"", blank_lines + bool(start))


def _header_text(line: bytes) -> str:
    """Return a header's line as text; raises BadData if it is not text, or not a line of a CSV file."""
    _refuse_encodings(line)
    if len(line) > LONGEST_HEADER:
        raise BadData(
            f"the header does not end within {LONGEST_HEADER:,} bytes", hint="check that it is a CSV file with a header line"
        )
    try:
        text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadData(
            f"the header is not UTF-8 (byte {line[error.start]:#04x} at {error.start}); it may be Latin-1 or Windows-1252",
            hint="write the file as UTF-8",
        ) from None
    if "\r" in text:
        raise BadData("the lines end with CR only", hint="end lines with LF or CRLF (RFC 4180)")
    if re.fullmatch(r'"?sep=.?"?', text, re.I):
        raise BadData(f"{text!r} is an instruction to spreadsheets, not a header", hint="remove this line")
    if strange := _NO_NAME.search(text):
        raise BadData(
            f"the header {shown([text])} contains a control character ({strange[0]!a})",
            hint="end lines with LF or CRLF (RFC 4180), and use only printable characters in names",
        )
    unquoted = re.sub('"[^"]*"', "", text)
    if "," not in unquoted and re.search(r"[;\t|]", unquoted):
        raise BadData(
            f"the header {shown([text])} has no comma", hint="separate fields with commas, not semicolons, tabs or bars"
        )
    return text


def _split_header(line: bytes) -> list[str]:
    text = _header_text(line)
    try:
        names = split_record(text)
    except NotClosed as error:
        name = text.rpartition('"')[2].strip()
        raise BadData(
            f"the quote in {name!r}, field {error.field} of the header, is not closed on the same line",
            hint="close the quote, or take the line break out of the name; a header is one line",
        ) from None
    except NotCsv as error:
        raise BadData(
            f"the header {shown([text])} is not CSV: {error}",
            hint='write quotes as in RFC 4180: "name","another ""name"""',
        ) from None
    if all(in_other_quotes(name.strip()) for name in names):
        raise BadData(
            f"the header {shown(names)} is quoted with apostrophes", hint='quote fields with ", or not at all (RFC 4180)'
        )
    return names


_NO_NAME = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def _explained(error: NoColumn, header: Sequence[str], rest: bytes, number: int, columns: Columns) -> BadData:
    """Return why a line is no header, if the lines after it or its own fields show the cause."""
    for offset, line in enumerate(rest.split(b"\n", PREAMBLE_LINES)[:PREAMBLE_LINES], 1):
        try:
            columns.read(_split_header(line))
        except BadData:
            continue
        return BadData(
            f"{shown(header)} is not a header, but line {number + offset} is",
            hint=f"remove everything before line {number + offset}",
        )
    if any(map(VALUE.fullmatch, map(fold, header))):
        return BadData(
            f"{shown(header)} looks like a sale, not a header",
            hint="if the files have no header line, set BOOKREPORT_HEADER='user_id,isbn10,unit_price'",
        )
    return error


def _without_bom(source: Iterator[bytes]) -> Iterator[bytes]:
    start = b""
    while len(start) < len(_BOM) and (chunk := next(source, b"")):
        start += chunk
    return _chain(start.removeprefix(_BOM), source)


def _chain(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


def _refuse_encodings(header: bytes) -> None:
    if header.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in header:
        name = "UTF-32" if b"\0\0" in header else "UTF-16"
        raise BadData(f"the file looks like {name}, or is not text", hint="write the file as UTF-8")
    if header.startswith((b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        raise BadData("the file is compressed, but not with gzip", hint="write plain CSV, or compress it with gzip")


def in_other_quotes(value: str) -> bool:
    """Return whether a value stands between apostrophes or typographic quotes, which are not quotes in RFC 4180."""
    return len(value) > 1 and OTHER_QUOTES.get(value[0]) == value[-1]


def only_plain(chunks: Iterable[bytes], reading: Reading) -> Iterator[bytes]:
    """Pass a file's rows through, in whole lines, as long as COPY must read them as a strict reader would.

    Raises CopyRefused for a quote that is not around a whole field; for blanks, byte order marks or other quote marks around
    users and ISBNs, which are not part of their values; for a line longer than LONGEST_LINE; and if rows may not fit.
    """
    if reading.may_not_fit:
        raise CopyRefused("it has so many columns that a row may not fit")
    odd = _odd_places(reading)
    rest = b""
    for chunk in chunks:
        window = rest + chunk
        end = window.rfind(b"\n") + 1
        if (window.index(b"\n") if end else len(window)) > LONGEST_LINE:
            raise CopyRefused("it has a very long line")
        lines, rest = window[:end], window[end:]
        _refuse_odd(lines, odd)
        yield lines
    _refuse_odd(rest + b"\n", odd)
    yield rest


_AROUND_FIELDS = re.compile(rb'[^"]*+(?:(?<=[,\n])"[^"\r\n]*+"(?:,"[^"\r\n]*+")*+(?=[,\r\n])[^"]*+)*+')
"""Lines after a line end, whose quotes are around whole fields of one line."""


def _odd_places(reading: Reading) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Return the bytes that may not count as written beside users and ISBNs, each with the places to look for it."""
    places = [reading.columns[column] for column in REQUIRED]
    befores = {b"\n" if place == 0 else b"," for place in places} | {b'"'}
    behinds = {end for place in places for end in ((b"\n", b"\r") if place == len(reading.header) - 1 else (b",",))} | {b'"'}
    blanks = [(blank, tuple({b + blank for b in befores} | {blank + b for b in behinds})) for blank in (b" ", b"\t")]
    marks = [(mark.encode(), tuple(before + mark.encode() for before in befores)) for mark in OTHER_QUOTES]
    return [*blanks, *marks, *((blank.encode(), (blank.encode(),)) for blank in BLANKS if not blank.isascii())]


def _refuse_odd(lines: bytes, odd: list[tuple[bytes, tuple[bytes, ...]]]) -> None:
    lines = b"\n" + lines
    if b'"' in lines and not _AROUND_FIELDS.fullmatch(lines):
        raise CopyRefused("it has quotes that are not around a whole field")
    is_ascii = lines.isascii()
    # Most files have none of these bytes, which takes no time to see; only if they do are the places searched.
    for what, places in odd:
        if (what[0] < 0x80 or not is_ascii) and what in lines and any(place in lines for place in places):
            raise CopyRefused("it has blanks, or other marks than quotes, around its values")


class RowStream:
    """The bytes behind a header, as COPY reads them; counts the lines that go by.

    COPY reports how many rows it loaded; if that differs from `lines`, it stopped early or joined lines.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._line_ends = 0
        self._last = b"\n"
        self.failure: BaseException | None = None

    def read(self, _size: int = -1, /) -> bytes:
        """Return the next bytes, of any length; b"" only at the end, since COPY takes an empty result for the end."""
        try:
            for chunk in self._chunks:
                if chunk:
                    self._line_ends += chunk.count(b"\n")
                    self._last = chunk[-1:]
                    return chunk
        except BaseException as error:
            self.failure = error
            raise
        return b""

    @property
    def lines(self) -> int:
        """Physical lines read so far; a last one without a line end counts too."""
        return self._line_ends + (self._last != b"\n")
