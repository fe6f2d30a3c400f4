"""The careful path: every record of a file is checked; good ones pass through, the rest are set aside."""

from __future__ import annotations

import csv
import io
import itertools
import re
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import IO

from bookreport.columns import (
    LONGEST_IN_A_ROW,
    MOST_COLUMNS,
    POINTER,
    REQUIRED,
    ROOM_IN_A_ROW,
    Columns,
    Reading,
    fold,
    shown,
)
from bookreport.errors import BadData, BookreportError
from bookreport.isbn import canonical_isbn
from bookreport.lines import Lines
from bookreport.rejects import HourRejects, Reject
from bookreport.rows import BLANKS, LONGEST_HEADER, LONGEST_LINE, NotClosed, NotCsv, in_other_quotes, split_record

LOOKAHEAD_LINES = 100
"""Lines within which a quoted field must be closed."""

GATHERED = 1 << 16
"""Bytes of good records that are passed on at once, so that COPY is not called for each record."""

LONGEST = {"user_id": 1000, "isbn10": 100}
"""Maximum number of bytes in a field, as in the table's own check."""

MOST_BOOKS, TOO_MUCH_MONEY = 10**6, Decimal(10**12)
MOST_DECIMALS = 16383
"""Digits after the decimal point that Postgres's numeric can hold (manual, table 8.2)."""

LARGEST_EXPONENT = 2**30 - 2
"""The largest power of ten that Postgres reads in a numeric, even for zero."""

NUMBERS_LIKE_CODE = 160000
"""From this server version on, `1_000` and `0x1F` are numbers (release notes of PostgreSQL 16)."""

# Possessive: of what is no number, each character is looked at once.
_INTEGER = re.compile(r"\s*+[+-]?[0-9]++\s*+", re.ASCII)
_NUMERIC = re.compile(r"\s*+[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?\s*+", re.ASCII)
_DIGITS_CODE = r"[0-9]++(?:_[0-9]++)*+"
_INTEGER_CODE = re.compile(
    rf"\s*+[+-]?(?:{_DIGITS_CODE}|0[xX](?:_?[0-9a-fA-F]++)++|0[oO](?:_?[0-7]++)++|0[bB](?:_?[01]++)++)\s*+", re.ASCII
)
_NUMERIC_CODE = re.compile(
    rf"\s*+[+-]?(?:{_DIGITS_CODE}\.?(?:{_DIGITS_CODE})?|\.{_DIGITS_CODE})(?:[eE][+-]?{_DIGITS_CODE})?\s*+", re.ASCII
)

_BOM = b"\xef\xbb\xbf"
_AROUND_NAMES = BLANKS + "\"'"
_SEPARATORS = re.compile("[,;\t|]")
_SPECIAL = re.compile('["\r\n]')

# A field that needs no second look, quoted or not: no separator, no control character, and nothing that might not count.
_NAME = rb"(?! |'|\xe2\x80[\x98\x9c]|\xc2\xa0|\xef\xbb\xbf)TEXT{1,%d}(?<! )(?<!\xc2\xa0)(?<!\xef\xbb\xbf)"
_COUNT = rb" *0*[1-9][0-9]{0,5} *"
_MONEY = rb" *[0-9]{1,12}(?:\.[0-9]{0,20})? *"
_PLAIN = {
    "user_id": b'(?:"USER"|USER)'.replace(b"USER", _NAME % 900),
    "isbn10": b'(?:"ISBN"|ISBN)'.replace(b"ISBN", _NAME % 90),
    "quantity": b'(?:"COUNT"|(?:COUNT)?)'.replace(b"COUNT", _COUNT),
    "unit_price": b'(?:"MONEY"|MONEY)'.replace(b"MONEY", _MONEY),
    "sale_value": b'(?:"MONEY"|MONEY)'.replace(b"MONEY", _MONEY),
}
_PLAIN_TEXT = rb'(?:"QUOTED{0,900}+(?:""QUOTED{0,900}+){0,9}+"|TEXT{0,900})'
_ISBN_FIELD = re.compile(rb'(?:^|,)[ "]*(?:97[89])?[0-9]{9}[0-9Xx][ "\r]*(?:,|$)')
_TEXT = rb'[^",\x00-\x1f\x7f]'
_QUOTED = rb'[^"\x00-\x1f\x7f]'
_ASCII_TEXT = rb'[^",\x00-\x1f\x7f-\xff]'
_ASCII_QUOTED = rb'[^"\x00-\x1f\x7f-\xff]'


class NotGood(ValueError):
    """A record that purchase_rows does not accept; the text says why."""


class RecordCheck:
    """Checks the records of the file `key`, by the rules of the table and of Postgres's own types.

    `columns` understood the header as `reading`; it took `header_lines` lines. `server_version`: as libpq numbers it, 150018
    for 15.18. `has_price` holds the ISBNs whose price the catalogue knows; it is used only if the file has no price.

    `rows` counts good records, `rejected` those set aside, `blank_lines` lines that are no record. The rejects go to
    `hour_rejects`, which may refuse them, and to `rejects`, a file for COPY: key, line number, reason, raw.
    """

    def __init__(
        self,
        key: str,
        reading: Reading,
        columns: Columns,
        *,
        header_lines: int,
        server_version: int,
        hour_rejects: HourRejects,
        has_price: Container[str] = frozenset(),
    ) -> None:
        self.rows = 0
        self.rejected = 0
        self.blank_lines = 0
        self.rejects: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - its user closes it
        self._key = key
        self._reading = reading
        self._columns = columns
        self.hour_rejects = hour_rejects
        self._header = [fold(name) for name in reading.header]
        self._telling = frozenset(_in_pieces(",".join((*reading.header, *columns.known)))) - {""}
        self._header_lines = self._line = header_lines
        self._has_price = has_price
        self._numbers_like_code = server_version >= NUMBERS_LIKE_CODE
        self._plain = _plain_lines(reading)
        self._in_other_quotes = 0

    def good_rows(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the good records of a file's bytes through, ending in LF; set the rest aside.

        Runs of lines that need no second look are found by one regular expression, so a file with few bad records is read at
        the speed of C. Memory is bounded by a chunk and LOOKAHEAD_LINES. Raises BadData for a header of another table, for a
        file most of whose records are quoted with apostrophes, and for too many rejects.
        """
        lines = Lines(chunks)
        ready: list[bytes] = []
        room = GATHERED
        while lines.fill():
            run = lines.plain_run(self._plain)
            if run:
                self._count_rows(run.count(b"\n"))
                good = run.replace(b"\r\n", b"\n") if b"\r" in run else run
            else:
                good = self._look_twice(lines)
            ready.append(good)
            # Among bad records too, whoever reads on gets a chance to leave off.
            room -= len(good) or 1
            if room <= 0:
                yield b"".join(ready)
                ready, room = [], GATHERED
        yield b"".join(ready)
        if self._in_other_quotes * 2 > self.rows + self.rejected:
            raise BadData(
                f"{self._in_other_quotes:,} of {self.rows + self.rejected:,} records are quoted with apostrophes",
                hint='quote fields with ", or not at all (RFC 4180)',
            )
        if lines.seen != self._line - self._header_lines:
            raise BookreportError(f"{lines.seen:,} lines were read, but {self._line - self._header_lines:,} accounted for")

    def _count_rows(self, rows: int) -> None:
        self.rows += rows
        self._line += rows

    def _look_twice(self, lines: Lines) -> bytes:
        """Take one record off `lines`; return it in the form for COPY if it is good, b"" if it was set aside."""
        line, whole_length = lines.take()
        self._line += 1
        number = self._line
        if whole_length > LONGEST_LINE:
            self._set_aside(number, f"the line has {whole_length:,} bytes; the limit is {LONGEST_LINE:,}", line[:1000])
            return b""
        if not line.replace(_BOM, b"").strip():
            further = lines.blank_run()
            self.blank_lines += 1 + further
            self._line += further
            return b""
        record = line.removesuffix(b"\r")
        try:
            try:
                good = self._checked(record)
            except NotClosed:
                whole = self._whole_record(line, lines)
                if whole is None:
                    raise
                record = whole
                good = self._checked(record)
        except (NotGood, NotCsv) as fault:
            self._set_aside(number, self._repeats_header(number, record) or str(fault), record)
            return b""
        self.rows += 1
        return good + b"\n"

    def _whole_record(self, line: bytes, lines: Lines) -> bytes | None:
        """Take the lines that continue a quoted field of `line`; None, with nothing taken, if a stray quote opened it."""
        following = lines.until_quote_closes(LOOKAHEAD_LINES)
        if not following:
            return None
        *between, last = following
        # A line that looks like a record is never part of a text, good or bad: a stray quote must cost only its own line.
        if any(map(self._looks_like_record, between)) or (self._looks_like_record(line) and self._looks_like_record(last)):
            return None
        record = b"\n".join([line, *following]).removesuffix(b"\r")
        try:
            if len(split_record(record.decode("utf-8"))) != len(self._header):
                return None
        except (NotCsv, UnicodeDecodeError):
            return None
        lines.skip(len(following))
        self._line += len(following)
        return record

    def _looks_like_record(self, line: bytes) -> bool:
        return line.count(b",") == len(self._header) - 1 or _ISBN_FIELD.search(line) is not None

    def _repeats_header(self, number: int, record: bytes) -> str | None:
        """Return why a record that repeats the file's own header is bad; raises BadData if it is another header."""
        text = record.decode("utf-8", "replace")
        if len(text) > 2 * LONGEST_HEADER or self._telling.isdisjoint(_in_pieces(text)):
            return None
        # A header of another dialect is still a header, and what follows it would be misread.
        lenient = [name.strip(_AROUND_NAMES) for name in _SEPARATORS.split(text)]
        if len(lenient) > 2 * MOST_COLUMNS:
            return None
        readings = [lenient]
        with suppress(NotCsv):
            readings.append(split_record(text))
        if any([fold(name) for name in names] == self._header for names in readings):
            return "repeats the header"
        # A file without a final line end, followed by the header of the next one.
        is_longer = len(lenient) > len(self._header)
        if is_longer and [fold(name) for name in lenient[1 - len(self._header) :]] == self._header[1:]:
            return "a record without its line end, followed by the header"
        if any(map(self._columns.reads_as_header, readings)) or (
            is_longer and self._columns.reads_as_header(lenient, behind_other=True)
        ):
            raise BadData(
                f"line {number}: a second header, {shown(lenient)}, unlike the file's first, {shown(self._reading.header)}",
                hint="write each table to its own file",
            )
        return None

    def _set_aside(self, line_number: int, reason: str, raw: bytes) -> None:
        text = raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        reject = Reject(self._key, line_number, reason.replace("\0", "\\x00"), text)
        self.rejected += 1
        self.hour_rejects.append(reject)
        quoted = (value.replace('"', '""') for value in (reject.key, str(line_number), reject.reason, reject.raw))
        self.rejects.write(b'"%b"\n' % '","'.join(quoted).encode())

    def _checked(self, record: bytes) -> bytes:
        """Return a record in the form for COPY; raises NotGood or NotCsv, with the reason, if it is bad."""
        fields = self._fields(record)
        bare = list(fields)
        for column in REQUIRED:
            position = self._reading.columns[column]
            bare[position] = fields[position].strip(BLANKS)
        if bare != fields:
            record = _csv(bare)
            if self._plain(is_text=True).fullmatch(record + b"\n"):
                return record
        self._in_other_quotes += any(in_other_quotes(bare[self._reading.columns[column]]) for column in REQUIRED)
        for column, position in self._reading.columns.items():
            fault = self._fault_of(column, bare[position])
            if fault is not None:
                raise NotGood(f"{column} {fault}")
        fault = self._fault_of_price({column: bare[position] for column, position in self._reading.columns.items()})
        if fault is not None:
            raise NotGood(fault)
        return record

    def _fields(self, record: bytes) -> list[str]:
        if b"\0" in record:
            raise NotGood(f"byte {record.index(0) + 1} is NUL")
        try:
            fields = split_record(record.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise NotGood(f"byte {error.start + 1} ({record[error.start]:#04x}) is not UTF-8") from None
        if len(fields) != len(self._header):
            raise NotGood(f"{len(fields)} fields, but the header has {len(self._header)}")
        if self._reading.may_not_fit:
            sizes = (len(field.encode()) + 1 for field in fields)
            size = sum(each if each <= LONGEST_IN_A_ROW else POINTER for each in sizes)
            if size > ROOM_IN_A_ROW:
                raise NotGood(f"its {len(fields):,} fields need {size:,} bytes of a row; the limit is {ROOM_IN_A_ROW:,}")
        return fields

    def _fault_of(self, column: str, value: str) -> str | None:
        if "\n" in value or "\r" in value:
            return "contains a line break"
        if column in LONGEST:
            if not value:
                return "is empty"
            return f"is longer than {LONGEST[column]:,} bytes" if len(value.encode()) > LONGEST[column] else None
        if column == "quantity":
            return self._fault_of_quantity(value) if value else None
        if column in ("unit_price", "sale_value"):
            return self._fault_of_money(value) if value else None
        return None

    def _fault_of_quantity(self, value: str) -> str | None:
        if not (_INTEGER_CODE if self._numbers_like_code else _INTEGER).fullmatch(value):
            return f"{_shown(value)} is not a whole number"
        number = value.strip().replace("_", "")
        # A leading zero is decimal here, though Python would refuse it.
        books = int(number, 0 if re.match(r"[+-]?0[xXoObB]", number) else 10) if len(number) < LONGEST["isbn10"] else 0
        return None if 1 <= books <= MOST_BOOKS else f"{_shown(value)} is not between 1 and {MOST_BOOKS:,}"

    def _fault_of_money(self, value: str) -> str | None:
        number = value.strip().replace("_", "") if self._numbers_like_code else value.strip()
        if self._numbers_like_code and _INTEGER_CODE.fullmatch(value) and re.match(r"[+-]?0[xXoObB]", number):
            # Python takes long to make a Decimal of many digits that are not decimal; with more than 40, it is over 2 ** 40.
            if len(number.lstrip("+-")[2:].lstrip("0")) > 40:
                return f"{_shown(value)} is not between 0 and {TOO_MUCH_MONEY - 1:,}"
            amount = Decimal(int(number, 0))
        elif (_NUMERIC_CODE if self._numbers_like_code else _NUMERIC).fullmatch(value):
            exponent = number.casefold().partition("e")[2].lstrip("+-0")
            if len(exponent) > 10 or int(exponent or "0") > LARGEST_EXPONENT:
                return f"{_shown(value)} is not between 0 and {TOO_MUCH_MONEY - 1:,}"
            amount = Decimal(number)
        else:
            return f"{_shown(value)} is not a number"
        decimals = -int(amount.as_tuple().exponent)
        if not 0 <= amount < TOO_MUCH_MONEY or decimals > MOST_DECIMALS:
            return f"{_shown(value)} is not between 0 and {TOO_MUCH_MONEY - 1:,}"
        return None

    def _fault_of_price(self, values: dict[str, str]) -> str | None:
        if self._reading.priced:
            return None if values.get("unit_price") or values.get("sale_value") else "the price is empty"
        isbn = canonical_isbn(values["isbn10"])
        return None if isbn in self._has_price else f"has no price, nor has the catalogue for {_shown(values['isbn10'])}"


def _plain_lines(reading: Reading) -> Callable[..., re.Pattern[bytes]]:
    """Return the pattern for runs of lines that need no second look: in valid UTF-8, or else only in ASCII."""
    if not reading.priced or reading.may_not_fit:
        # Whether the catalogue has a price, and whether a row fits, takes a second look.
        never = re.compile(rb"(?!)")
        return lambda **_: never
    column_at = {position: column for column, position in reading.columns.items()}
    each = [_PLAIN.get(column_at.get(position, ""), _PLAIN_TEXT) for position in range(len(reading.header))]
    # Python takes a second to compile a pattern of a thousand fields.
    fields = [_run_of(field, len(list(alike))) for field, alike in itertools.groupby(each)]

    def compiled(text: bytes, quoted: bytes) -> re.Pattern[bytes]:
        line = b",".join(fields).replace(b"TEXT", text).replace(b"QUOTED", quoted)
        return re.compile(b"(?:(?>" + line + rb")\r?\n)++")

    return cache(lambda *, is_text: compiled(_TEXT, _QUOTED) if is_text else compiled(_ASCII_TEXT, _ASCII_QUOTED))


def _run_of(field: bytes, number: int) -> bytes:
    return b",".join([field] * number) if number < 10 else b"(?:%b,){%d}+%b" % (field, number - 1, field)


def _in_pieces(text: str) -> list[str]:
    """Return the names that a line has if it is a header of any dialect, folded, and without quotes or apostrophes."""
    for separator in ";\t|":
        text = text.replace(separator, ",")
    return fold(text.replace('"', "").replace("'", "")).split(",")


def _csv(fields: list[str]) -> bytes:
    line = ",".join(fields)
    if not _SPECIAL.search(line) and line.count(",") == len(fields) - 1:
        return line.encode()
    output = io.StringIO(newline="")
    # The writer quotes fields that contain characters of its line end.
    csv.writer(output, lineterminator="\r\n").writerow(fields)
    return output.getvalue().removesuffix("\r\n").encode()


def _shown(value: str) -> str:
    return repr(value[:50] + ("…" if len(value) > 50 else ""))
