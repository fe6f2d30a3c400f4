"""The careful path: every record of a dirty file is checked, good ones are given on, the others set aside."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import IO

from bookreport.rows import Reading

LONGEST_LINE = 1 << 20
"""Bytes of one line; a longer one is set aside, with its beginning."""

LOOKAHEAD_LINES = 100
"""Lines within which a quoted field may be closed."""

LONGEST = {"user_id": 1000, "isbn10": 100}
"""Bytes of a field, as the table's own check has it."""

MOST_BOOKS, TOO_MUCH_MONEY = 10**6, Decimal(10**12)
MOST_DECIMALS = 16383
"""Digits after the point that Postgres's numeric can hold (manual, table 8.2)."""

NUMBERS_LIKE_CODE = 160000
"""From this server version on, `1_000` and `0x1F` are numbers (release notes of PostgreSQL 16)."""

_BLANKS = " \t\r\n"
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
_NUMERIC = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*", re.ASCII)
_INTEGER_CODE = re.compile(
    r"\s*[+-]?(?:[0-9]+(?:_[0-9]+)*|0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)\s*", re.ASCII
)
_DIGITS_CODE = r"[0-9]+(?:_[0-9]+)*"
_NUMERIC_CODE = re.compile(
    rf"\s*[+-]?(?:{_DIGITS_CODE}\.?(?:{_DIGITS_CODE})?|\.{_DIGITS_CODE})(?:[eE][+-]?{_DIGITS_CODE})?\s*", re.ASCII
)

# A field that needs no second look, quoted or not: no quote, separator or control character in it.
_TEXT = rb'[^",\x00-\x1f\x7f]'
_PLAIN = {
    "user_id": rb'(?:"(?! *")%(t)s{1,900}"|(?! *[,\r\n])%(t)s{1,900})',
    "isbn10": rb'(?:"(?! *")%(t)s{1,90}"|(?! *[,\r\n])%(t)s{1,90})',
    "quantity": rb'(?:"0*[1-9][0-9]{0,5}"|(?:0*[1-9][0-9]{0,5})?)',
    "unit_price": rb'(?:"[0-9]{1,12}(?:\.[0-9]{0,20})?"|[0-9]{1,12}(?:\.[0-9]{0,20})?)',
    "sale_value": rb'(?:"[0-9]{1,12}(?:\.[0-9]{0,20})?"|[0-9]{1,12}(?:\.[0-9]{0,20})?)',
}
_PLAIN_TEXT = rb'(?:"%(t)s{0,900}"|%(t)s{0,900})'


@dataclass(frozen=True)
class Reject:
    """A record that was set aside: the physical line where it starts (header = 1), why, and its text."""

    line_number: int
    reason: str
    raw: str


@dataclass(frozen=True)
class RejectLimit:
    """How many rejects an hour may have: a count, or a percentage of its records that never means fewer than ten."""

    count: int | None = None
    percent: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> RejectLimit:
        """Return the limit that `text` names, as `100` or `0.5%`. Raises ValueError for anything else."""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(%?)", text.strip())
        if match and match[2] and Decimal(match[1]) <= 100:
            return cls(percent=Decimal(match[1]))
        if match and not match[2] and match[1].isdigit():
            return cls(count=int(match[1]))
        raise ValueError(f"{text!r} is not a limit; write a count like 100, or a percentage like 1%")

    def allowed(self, records: int) -> int:
        """Return how many of an hour's `records` may be rejects."""
        if self.percent is None:
            return self.count or 0
        return max(10, int(records * self.percent / 100))

    def __str__(self) -> str:
        return f"{self.count:,}" if self.percent is None else f"{self.percent}%"


class RecordCheck:
    """Checks the records of the file `key`, by the rules that the table and Postgres's own types have.

    `first_line`: how many lines the header took. `server_version`: as libpq numbers it, 150018 for 15.18. `has_price`
    says whether the catalogue knows the price of an ISBN; it is asked only where the file has no price.

    `rows` is the number of good records, `rejected` of those set aside; `first` holds the first of these, and `rejects` is a
    file of them all, for COPY: key, line number, reason, raw.
    """

    def __init__(
        self,
        key: str,
        reading: Reading,
        *,
        first_line: int,
        server_version: int,
        has_price: Container[str] = frozenset(),
        keep: int = 1000,
    ) -> None:
        self.rows = 0
        self.rejected = 0
        self.first: list[Reject] = []
        self.rejects: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=1 << 20)  # noqa: SIM115 - its user closes it
        self._key = key
        self._reading = reading
        self._line = first_line
        self._has_price = has_price
        self._keep = keep
        self._numbers_like_code = server_version >= NUMBERS_LIKE_CODE
        self._plain = _plain_lines(reading)

    def good_rows(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Give the good records of a file's bytes on, with LF at their ends; set the others aside.

        Runs of lines that need no second look are found by one regular expression, so a file with little dirt is read at
        the speed of C. Memory is bounded by a chunk and LOOKAHEAD_LINES.
        """
        lines = _Lines(chunks)
        while lines.fill():
            run = lines.plain_run(self._plain)
            if run:
                self._count_rows(run.count(b"\n"))
                yield run.replace(b"\r\n", b"\n") if b"\r" in run else run
                continue
            good = self._look_twice(lines)
            if good:
                yield good

    def _count_rows(self, rows: int) -> None:
        self.rows += rows
        self._line += rows

    def _look_twice(self, lines: _Lines) -> bytes:
        """Take one record off `lines`; return its bytes when it is good."""
        line, whole_length = lines.take()
        self._line += 1
        number = self._line
        if whole_length > LONGEST_LINE:
            self._set_aside(number, f"the line has {whole_length:,} bytes, more than {LONGEST_LINE:,}", line[:1000])
            return b""
        line = line.removesuffix(b"\r")
        if not line.strip():
            return b""
        reason = self._fault(line)
        if reason is not None and line.count(b'"') % 2:
            # A quoted field may go on over the next lines; a stray quote must cost its own line alone.
            following = lines.until_quote_closes(LOOKAHEAD_LINES)
            record = b"\n".join([line, *following])
            if following and self._fault(record) is None and not any(map(self._is_sale, following)):
                lines.skip(len(following))
                self._line += len(following)
                self.rows += 1
                return record + b"\n"
        if reason is None:
            self.rows += 1
            return line + b"\n"
        self._set_aside(number, reason, line)
        return b""

    def _is_sale(self, line: bytes) -> bool:
        """Whether a line within a quoted field is a sale that a stray quote has swallowed."""
        return self._fault(line.replace(b'"', b"").removesuffix(b"\r")) is None

    def _set_aside(self, line_number: int, reason: str, raw: bytes) -> None:
        text = raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        reject = Reject(line_number, reason.replace("\0", "\\x00"), text)
        self.rejected += 1
        if len(self.first) < self._keep:
            self.first.append(reject)
        row = io.StringIO()
        csv.writer(row, lineterminator="\n", quoting=csv.QUOTE_ALL).writerow(
            (self._key, line_number, reject.reason, reject.raw)
        )
        self.rejects.write(row.getvalue().encode("utf-8"))

    def _fault(self, record: bytes) -> str | None:
        """Return why a record is no good; None when it is."""
        if b"\0" in record:
            return f"a NUL byte at byte {record.index(0) + 1}"
        try:
            text = record.decode("utf-8")
        except UnicodeDecodeError as error:
            return f"byte {error.start + 1} ({record[error.start]:#04x}) is not UTF-8"
        fields = _fields(text)
        if fields is None:
            return "a quote is not closed on its line"
        header = self._reading.header
        if len(fields) != len(header):
            return f"{len(fields)} fields, the header has {len(header)}"
        for column, position in self._reading.columns.items():
            fault = self._fault_of(column, fields[position])
            if fault is not None:
                return f"{column} {fault}"
        return self._fault_of_price({column: fields[position] for column, position in self._reading.columns.items()})

    def _fault_of(self, column: str, value: str) -> str | None:
        if "\n" in value or "\r" in value:
            return "holds a line break"
        if column in LONGEST:
            if not value.strip(_BLANKS):
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
        # A leading zero is decimal here, where Python would refuse it.
        books = int(number, 0 if re.match(r"[+-]?0[xXoObB]", number) else 10) if len(number) < LONGEST["isbn10"] else 0
        return None if 1 <= books <= MOST_BOOKS else f"{_shown(value)} is not between 1 and {MOST_BOOKS:,}"

    def _fault_of_money(self, value: str) -> str | None:
        number = value.strip().replace("_", "") if self._numbers_like_code else value.strip()
        if self._numbers_like_code and _INTEGER_CODE.fullmatch(value) and re.match(r"[+-]?0[xXoObB]", number):
            amount = Decimal(int(number, 0))
        elif (_NUMERIC_CODE if self._numbers_like_code else _NUMERIC).fullmatch(value):
            amount = Decimal(number)
        else:
            return f"{_shown(value)} is not a number"
        exponent = amount.as_tuple().exponent
        if not 0 <= amount < TOO_MUCH_MONEY or (isinstance(exponent, int) and -exponent > MOST_DECIMALS):
            return f"{_shown(value)} is not between 0 and {TOO_MUCH_MONEY - 1:,}"
        return None

    def _fault_of_price(self, values: dict[str, str]) -> str | None:
        if self._reading.priced:
            return None if values.get("unit_price") or values.get("sale_value") else "the price is empty"
        isbn = canonical_isbn(values["isbn10"])
        return None if isbn in self._has_price else f"no price, and the catalogue has none for {_shown(values['isbn10'])}"


def canonical_isbn(isbn: str) -> str:
    """Return the form in which ISBNs are compared, as the database's function of this name does."""
    code = re.sub("[- \t\r\n\u00a0\u2010-\u2014\u2212]", "", isbn).replace("x", "X")
    if re.fullmatch("978[0-9]{10}", code):
        remainder = sum(place * int(digit) for place, digit in enumerate(code[3:12], 1)) % 11
        return code[3:12] + ("X" if remainder == 10 else str(remainder))
    return code.rjust(10, "0") if code else code


class _Lines:
    """The lines of a file's bytes, with a look ahead that does not take them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._data = b""
        self._start = 0
        self._is_text = True
        self._at_end = False

    def fill(self, enough: int = 1) -> bool:
        """Read on until that many line ends are there, or LONGEST_LINE bytes, or the end; False when nothing is left."""
        while not self._at_end and not self._holds(enough) and len(self._data) - self._start <= LONGEST_LINE:
            chunk = next((chunk for chunk in self._chunks if chunk), b"")
            self._data = self._data[self._start :] + chunk
            self._start = 0
            if not chunk:
                self._at_end = True
                if self._data and not self._data.endswith(b"\n"):
                    self._data += b"\n"
            self._is_text = _is_utf8(self._data)
        return self._start < len(self._data)

    def plain_run(self, pattern: Callable[[bool], re.Pattern[bytes]]) -> bytes:
        """Take as many whole lines as match; b"" when the next one does not."""
        match = pattern(self._is_text).match(self._data, self._start)
        if match is None:
            return b""
        self._start = match.end()
        return match[0]

    def take(self) -> tuple[bytes, int]:
        """Take the next line: its bytes without LF, and its length (of an overlong one only the beginning is kept)."""
        end = self._data.find(b"\n", self._start)
        if end >= 0:
            line = self._data[self._start : end]
            self._start = end + 1
            return line, len(line)
        line = self._data[self._start :]
        length = len(line)
        self._data, self._start = b"", 0
        for chunk in self._chunks:
            end = chunk.find(b"\n")
            length += len(chunk) if end < 0 else end
            if end >= 0:
                self._data = chunk[end + 1 :]
                break
        else:
            self._at_end = True
        return line, length

    def until_quote_closes(self, most: int) -> list[bytes]:
        """Return the lines up to the next one with an odd number of quotes; none when it is too far away."""
        self.fill(most)
        found = []
        start = self._start
        for _ in range(most):
            end = self._data.find(b"\n", start)
            if end < 0:
                return []
            found.append(self._data[start:end])
            if found[-1].count(b'"') % 2:
                found[-1] = found[-1].removesuffix(b"\r")
                return found
            start = end + 1
        return []

    def skip(self, lines: int) -> None:
        """Take lines that were looked at."""
        for _ in range(lines):
            self._start = self._data.index(b"\n", self._start) + 1

    def _holds(self, line_ends: int) -> bool:
        start = self._start
        for _ in range(line_ends):
            start = self._data.find(b"\n", start) + 1
            if not start:
                return False
        return True


def _plain_lines(reading: Reading) -> Callable[[bool], re.Pattern[bytes]]:
    """Return the pattern of runs of lines that need no second look: in valid UTF-8, or else in ASCII alone."""
    fields = [_PLAIN_TEXT] * len(reading.header)
    for column, position in reading.columns.items():
        fields[position] = _PLAIN.get(column, _PLAIN_TEXT)
    if not reading.priced:
        # Whether the catalogue has a price is a second look.
        never = re.compile(rb"(?!)")
        return lambda _: never
    patterns = {}
    for is_text, letters in ((True, _TEXT), (False, _TEXT[:-1] + rb"\x80-\xff]")):
        line = rb",".join(field % {b"t": letters} if b"%" in field else field for field in fields)
        patterns[is_text] = re.compile(rb"(?:(?>" + line + rb")\r?\n)++")
    return lambda is_text: patterns[is_text]


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    # The last line may be cut within a character; it is looked at again when the rest of it is there.
    try:
        data[: data.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fields(text: str) -> list[str] | None:
    """Return the fields of a record as COPY splits it: a quote anywhere opens or closes, a doubled one within is one.

    None when a quote stays open. (The Postgres manual's page on COPY, "CSV Format".)
    """
    if '"' not in text:
        return text.split(",")
    fields = []
    field: list[str] = []
    within = False
    pieces = re.split(r'("|,)', text)
    position = 0
    while position < len(pieces):
        piece = pieces[position]
        if piece == '"':
            if within and pieces[position + 1 : position + 3] == ["", '"']:
                field.append('"')
                position += 2
            else:
                within = not within
        elif piece == "," and not within:
            fields.append("".join(field))
            field = []
        else:
            field.append(piece)
        position += 1
    if within:
        return None
    return [*fields, "".join(field)]


def _shown(value: str) -> str:
    return repr(value[:50] + ("…" if len(value) > 50 else ""))
