"""CSV of one file: how a record is split, which column is what, where the rows begin, and what went by."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bookreport.errors import BadData, Configuration, CopyRefused

NAMES: dict[str, tuple[str, ...]] = {
    "user_id": ("userid", "user", "customerid", "customer", "buyerid", "buyer"),
    "isbn10": ("isbn10", "isbn"),
    "quantity": ("quantity", "qty", "copies", "units", "count", "numberofbooks"),
    "unit_price": ("unitprice", "price", "bookprice"),
    "sale_value": ("salevalue", "total", "totalprice", "totalvalue", "value", "amount"),
    "purchased_at": (
        "purchasedat",
        "timestamp",
        "purchasetime",
        "purchasedate",
        "datetime",
        "createdat",
        "date",
        "time",
    ),
}
"""For each column of purchases the names understood, folded; the first is the canonical one."""

_KNOWN: dict[str, list[tuple[str, int]]] = {}
for _column, _names in NAMES.items():
    for _rank, _name in enumerate(_names):
        _KNOWN.setdefault(_name, []).append((_column, _rank))

REQUIRED = ("user_id", "isbn10")
COPIES_OR_MONEY = ("value", "amount")
LOOK_LIKE = {
    "quantity": {"quantity", "qty", "copies", "units", "pieces", "pcs"},
    "unit_price": {"price", "cost", "paid", "revenue", "total", "value", "amount"},
}
"""Words in an unknown column's name by which it looks like copies, or like money."""

LONGEST_HEADER = 64 * 1024
"""Bytes within which a file's header must end."""

LONGEST_LINE = 1 << 20
"""Bytes of one line; a longer one is set aside, with its beginning."""

BLANKS = " \t\u00a0\ufeff"
"""What does not count at either end of a user or an ISBN."""

OTHER_QUOTES = {"'": "'", "\u2018": "\u2019", "\u201c": "\u201d"}
"""Marks that some write for quotes: how they open and close a field."""

PREAMBLE_LINES = 50
"""Lines within which a refused file's header is looked for, to be named in the message."""

# An ISBN, perhaps short of its zeros or glued to a name, a time, or an amount of money; not a year, as pandas may name a
# column.
_VALUE = re.compile(r".*[0-9]{9}.*|[0-9]{7,8}|[0-9]{8}t[0-9:.]+z?|[0-9]+[.,][0-9]+", re.DOTALL)
_INSIGNIFICANT = re.compile(r"[\s_\-\u2010-\u2015]+")
_BOM = b"\xef\xbb\xbf"


def fold(name: str) -> str:
    """Return the form in which names of columns are compared: case, spaces, `-` and `_` don't count."""
    return _INSIGNIFICANT.sub("", name.replace("\ufeff", "")).casefold()


@dataclass(frozen=True)
class Reading:
    """What each column of a file was taken for.

    `header`: the names as the file has them. `columns`: the position of each column of purchases that the file has.
    `extra`: the position of each column that nobody knows, by the name under which it is kept. `dropped`: positions
    that are left out. `priced`: False where the catalogue's own price has to serve.
    """

    header: tuple[str, ...]
    columns: Mapping[str, int]
    extra: Mapping[str, int] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()

    @property
    def priced(self) -> bool:
        return "unit_price" in self.columns or "sale_value" in self.columns

    @property
    def direct(self) -> bool:
        """Whether the file's bytes can go straight into purchase_rows."""
        return self.priced and not self.extra and not self.dropped

    @property
    def names(self) -> dict[str, str]:
        """For each column of purchases the file's own name of it."""
        return {column: self.header[position] for column, position in self.columns.items()}

    @property
    def ignored(self) -> list[str]:
        return [self.header[position] for position in self.dropped]

    def as_json(self) -> dict[str, object]:
        """The reading as the ledger keeps it."""
        return {"columns": self.names, "extra": list(self.extra), "ignored": self.ignored}


class NotCsv(ValueError):
    """A record is not CSV as RFC 4180 section 2 has it; the text says why. `field` is the number of the field, from 1."""

    def __init__(self, reason: str, field: int) -> None:
        super().__init__(reason)
        self.field = field


class NotClosed(NotCsv):
    """A quote is still open at the end of the record."""


def split_record(text: str) -> list[str]:
    """Return the fields of one record, given without its line end; a header is a record too.

    Stricter than COPY, which takes a quote anywhere in a field and drops it. Raises NotCsv.
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
        return f"field {len(fields)} goes on behind its closing quote"
    if what == "\r":
        return f"field {len(fields)} has a line break within it, but is not quoted"
    if not begun.strip(BLANKS):
        return f"field {len(fields)} has a blank before its quote"
    if begun == "=":
        return f'field {len(fields)} is a formula, ="…", that only a spreadsheet understands'
    return f"field {len(fields)} has a quote within it, but is not quoted"


class Columns:
    """How headers are read: the names of NAMES, and the user's own settings.

    `declared`: BOOKREPORT_COLUMNS, as `user_id=client no,isbn10=code`; `#3` in place of a name is the third column, and
    `extra=NAME` says that a column is none of these. `header`: BOOKREPORT_HEADER, the columns of files that have no header
    line. Raises Configuration when either makes no sense.
    """

    def __init__(self, declared: str | None = None, header: str | None = None) -> None:
        self._declared: dict[str, str] = {}
        self._unknown: set[str] = set()
        for item in next(csv.reader([declared])) if declared else []:
            column, equals, name = item.partition("=")
            if column.strip() not in (*NAMES, "extra") or not equals or not fold(name):
                raise Configuration(
                    f"BOOKREPORT_COLUMNS: {item.strip()!r} is not COLUMN=NAME with a column of {', '.join(NAMES)}, extra",
                    hint="write it like BOOKREPORT_COLUMNS='user_id=client no,isbn10=code'",
                )
            if column.strip() == "extra":
                self._unknown.add(fold(name))
            else:
                self._declared[column.strip()] = fold(name)
        self.given: Reading | None = None
        if header:
            try:
                self.given = self.read(next(csv.reader([header])))
            except BadData as error:
                raise Configuration(f"BOOKREPORT_HEADER: {error.message}", hint=error.hint) from error

    def read(self, header: Sequence[str]) -> Reading:
        """Return what each column of a file with this `header` is taken for.

        Raises BadData when a required column is missing, when two columns claim a user, an ISBN, a quantity or money
        with the same right, or when `amount` or `value` stands beside a price and could be copies or money.
        """
        folded = [fold(name) for name in header]
        declared = self._declared_for(folded)
        claims: dict[str, list[tuple[int, int]]] = {column: [] for column in NAMES}
        for position, name in enumerate(folded):
            if position in declared:
                claims[declared[position]].append((-1, position))
            elif name not in self._unknown:
                for column, rank in _KNOWN.get(name, ()):
                    claims[column].append((rank, position))
        columns = {column: self._winner(column, found, header) for column, found in claims.items() if found}
        self._refuse_copies_or_money(columns, folded, declared, header)
        missing = [column for column in REQUIRED if column not in columns]
        if missing:
            understood = "; ".join(f"for {column} {', '.join(NAMES[column])}" for column in missing)
            raise _NoColumn(
                f"no column for {' and '.join(missing)} in the header {shown(header)}",
                hint=f"understood are {understood} (case, spaces, - and _ don't count); name others in BOOKREPORT_COLUMNS,"
                " or, if the files have no header line, all columns in BOOKREPORT_HEADER",
            )
        self._refuse_values(columns, header)
        self._refuse_lookalikes(columns, header)
        taken = set(columns.values())
        dropped = tuple(p for p in (0,) if p not in taken and folded and folded[0] in ("", "unnamed:0"))
        return Reading(tuple(header), columns, self._extra(header, taken | set(dropped)), dropped)

    def reads_as_header(self, fields: Sequence[str]) -> bool:
        """Return whether a record names columns of purchases: a user and an ISBN, or two that are most of its fields."""
        folded = [name for name in map(fold, fields) if name]
        declared = self._declared_for(folded, by_position=False)
        named = {column for name in folded for column, _ in _KNOWN.get(name, ())} | set(declared.values())
        return len(named) >= 2 and (named >= set(REQUIRED) or 2 * len(named) > len(folded))

    def _declared_for(self, folded: Sequence[str], *, by_position: bool = True) -> dict[int, str]:
        """Return the column of purchases that each position of a header was declared to be."""
        found = {}
        for column, name in self._declared.items():
            if match := re.fullmatch("#([1-9][0-9]{0,3})", name):
                if by_position and int(match[1]) <= len(folded):
                    found[int(match[1]) - 1] = column
            else:
                found.update({position: column for position, each in enumerate(folded) if each == name})
        return found

    @staticmethod
    def _winner(column: str, found: list[tuple[int, int]], header: Sequence[str]) -> int:
        found = sorted(found)
        rank, position = found[0]
        rivals = [p for r, p in found if r == rank or rank > 0]
        if len(rivals) > 1 and column != "purchased_at":
            names = " and ".join(repr(header[p]) for p in rivals)
            alike = len({fold(header[p]) for p in rivals}) < len(rivals)
            which = f"#{rivals[0] + 1}" if alike else header[rivals[0]]
            raise BadData(
                f"{names} both claim to be {column} in the header {shown(header)}",
                hint=f"say which one it is: BOOKREPORT_COLUMNS='{column}={which}'",
            )
        return position

    def _refuse_copies_or_money(
        self, columns: dict[str, int], folded: list[str], declared: Mapping[int, str], header: Sequence[str]
    ) -> None:
        position = columns.get("sale_value")
        if position is None or "unit_price" not in columns or position in declared:
            return
        if folded[position] in COPIES_OR_MONEY:
            name = header[position]
            raise BadData(
                f"{name!r} beside a price may be copies or money, in the header {shown(header)}",
                hint=f"say which: BOOKREPORT_COLUMNS='quantity={name}' or BOOKREPORT_COLUMNS='sale_value={name}'",
            )

    def _refuse_lookalikes(self, columns: dict[str, int], header: Sequence[str]) -> None:
        """Refuse to take 1 copy, or the catalogue's price, where a column that nobody knows seems to hold the real one."""
        missing = {
            "quantity": "quantity" not in columns,
            "unit_price": "unit_price" not in columns and "sale_value" not in columns,
        }
        for position, name in enumerate(header):
            words = {word.casefold() for word in re.findall(r"[A-Z]*[a-z]+|[A-Z]+", name)}
            if position in columns.values() or fold(name) in self._unknown:
                continue
            for column, telling in LOOK_LIKE.items():
                if missing[column] and words & telling:
                    what = "how many copies" if column == "quantity" else "the price"
                    raise BadData(
                        f"{name!r} looks like {what}, but is no name for it, in the header {shown(header)}",
                        hint=f"say what it is: BOOKREPORT_COLUMNS='{column}={name}', or 'extra={name}' if it is neither",
                    )

    def _refuse_values(self, columns: dict[str, int], header: Sequence[str]) -> None:
        """Refuse a header that has swallowed a sale: its line end is lost."""
        for position, name in enumerate(header):
            if _VALUE.fullmatch(fold(name)) and position not in columns.values() and fold(name) not in self._unknown:
                raise BadData(
                    f"{name!r} looks like a value, and not like a name, in the header {shown(header)}",
                    hint=f"does the header end with LF or CRLF? If it is a name: BOOKREPORT_COLUMNS='extra={name.strip()}'",
                )

    @staticmethod
    def _extra(header: Sequence[str], taken: set[int]) -> dict[str, int]:
        extra: dict[str, int] = {}
        for position, name in enumerate(header):
            if position not in taken:
                own = name.strip() or f"column {position + 1}"
                unique, number = own, 2
                while unique in extra:
                    unique, number = f"{own} ({number})", number + 1
                extra[unique] = position
        return extra


def shown(header: Sequence[str]) -> str:
    """Return a header for a message: its names, in order, cut to a readable length."""
    line = ", ".join(repr(name) for name in header)
    return f"[{line[:300]}{'…' if len(line) > 300 else ''}]"


@dataclass(frozen=True)
class Body:
    """A file behind its header: `reading` is None where there is no header since the file holds nothing, or blanks alone.

    `header_lines`: physical lines up to the header, itself included; `blank_lines`: those of them that are blank.
    """

    reading: Reading | None
    chunks: Iterator[bytes]
    header_lines: int = 0
    blank_lines: int = 0


def read_header(chunks: Iterable[bytes], columns: Columns) -> Body:
    """Take the header off a file's bytes; blank lines before it are passed over.

    Raises BadData, with the line, when it is no header of one line of CSV in UTF-8, or not one that `columns` understands.
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
        except _NoColumn as error:
            raise _explained(error, header, start[end:], number, columns) from None
    except BadData as error:
        raise BadData(f"line {number}: {error.message}", hint=error.hint) from None
    return Body(reading, _chain(start[end:], source), number, blank_lines)


class _NoColumn(BadData):
    """A required column is not in the header."""


_BLANK_LINES = re.compile(rb"(?:(?:[ \t\r\v\f]|\xef\xbb\xbf)*+\n)*+")


def _from_first_line(source: Iterator[bytes]) -> tuple[bytes, int]:
    """Return a file's bytes from its first line that is not blank on, that line whole, and how many were blank."""
    start = b""
    blank_lines = 0
    for chunk in source:
        start += chunk
        if blank := _BLANK_LINES.match(start):
            blank_lines += blank[0].count(b"\n")
            start = start[blank.end() :]
        if b"\n" in start or (len(start) > LONGEST_HEADER and start.strip()):
            break
        if not start.strip():
            # Of a blank line without an end, however long, one blank stands for all.
            start = start[-1:]
    while start.startswith(_BOM):
        start = start.removeprefix(_BOM)
    return (start, blank_lines) if start.strip() else (b"", blank_lines + bool(start))


def _split_header(line: bytes) -> list[str]:
    _refuse_encodings(line)
    if len(line) > LONGEST_HEADER:
        raise BadData(f"the header does not end within {LONGEST_HEADER:,} bytes", hint="is it a CSV file with a header line?")
    try:
        text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadData(
            f"the header is not UTF-8 (byte {line[error.start]:#04x} at {error.start}); it may be Latin-1 or Windows-1252",
            hint="write the file as UTF-8",
        ) from None
    if "\r" in text:
        raise BadData("the lines end with CR alone", hint="end lines with LF or CRLF (RFC 4180)")
    if re.fullmatch(r'"?sep=.?"?', text, re.I):
        raise BadData(f"{text!r} is a word to a spreadsheet, and no header", hint="write the file without this line")
    if strange := _NO_NAME.search(text):
        raise BadData(
            f"the header {shown([text])} holds a control character ({strange[0]!a})",
            hint="end lines with LF or CRLF (RFC 4180), and write names of letters and figures",
        )
    unquoted = re.sub('"[^"]*"', "", text)
    if "," not in unquoted and re.search(r"[;\t|]", unquoted):
        raise BadData(
            f"the header {shown([text])} has no comma", hint="separate fields by commas, not by semicolons, tabs or bars"
        )
    try:
        names = split_record(text)
    except NotClosed as error:
        name = text.rpartition('"')[2].strip()
        raise BadData(
            f"the quote of {name!r}, in field {error.field} of the header, is not closed on its line",
            hint="a header is one line; close the quote, or leave the line end out of the name",
        ) from None
    except NotCsv as error:
        raise BadData(
            f"the header {shown([text])} is not CSV: {error}",
            hint='write quotes as RFC 4180 has them: "name","another ""name"""',
        ) from None
    if all(in_other_quotes(name.strip()) for name in names):
        raise BadData(f"the header {shown(names)} has apostrophes for quotes", hint='quote by ", or not at all (RFC 4180)')
    return names


_NO_NAME = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def _explained(error: _NoColumn, header: Sequence[str], rest: bytes, number: int, columns: Columns) -> BadData:
    """Return why a line is no header, where the lines behind it or its own fields show the cause."""
    for offset, line in enumerate(rest.split(b"\n")[:PREAMBLE_LINES], 1):
        try:
            columns.read(_split_header(line))
        except BadData:
            continue
        return BadData(
            f"{shown(header)} is no header; the one in line {number + offset} is",
            hint=f"write the file without what stands before line {number + offset}",
        )
    if any(map(_VALUE.fullmatch, map(fold, header))):
        return BadData(
            f"{shown(header)} looks like a sale, and not like a header",
            hint="if the files have no header line, name their columns: BOOKREPORT_HEADER='user_id,isbn10,unit_price'",
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
        raise BadData(f"the file looks like {name}, or is no text", hint="write the file as UTF-8")
    if header.startswith((b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        raise BadData("the file is compressed, but not by gzip", hint="write plain CSV, or compress it with gzip")


def in_other_quotes(value: str) -> bool:
    """Return whether a value stands between apostrophes or typographic quotes, which are no quotes to RFC 4180."""
    return len(value) > 1 and OTHER_QUOTES.get(value[0]) == value[-1]


def only_plain(chunks: Iterable[bytes], reading: Reading) -> Iterator[bytes]:
    """Pass a file's rows through, whole lines at a time, as long as COPY can't take them otherwise than a strict reader would.

    Raises CopyRefused at a quote that is not around a whole field, and at what the values of users and ISBNs don't say by
    themselves: blanks or byte order marks around them, other marks for quotes; and at a line longer than LONGEST_LINE.
    """
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
"""Lines behind a line end, whose quotes stand around whole fields of one line."""


def _odd_places(reading: Reading) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Return the bytes, and the places of them beside users and ISBNs, that may mean something else than they say."""
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
    # Most files have none of these bytes, which takes no time to see; their places are looked for only where they are.
    for what, places in odd:
        if (what[0] < 0x80 or not is_ascii) and what in lines and any(place in lines for place in places):
            raise CopyRefused("it has blanks, or other marks than quotes, around its values")


class RowStream:
    """The bytes behind a header, as COPY reads them; counts the lines that went by.

    COPY tells how many rows it loaded; where that differs from `lines`, it stopped early or joined lines.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._line_ends = 0
        self._last = b"\n"
        self.failure: BaseException | None = None

    def read(self, _size: int = -1, /) -> bytes:
        """Return the next bytes, of any length; b"" only at the end, since COPY takes an empty answer for it."""
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
        """Physical lines read so far; a last one without a line end counts."""
        return self._line_ends + (self._last != b"\n")
