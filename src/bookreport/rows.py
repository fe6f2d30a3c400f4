"""CSV of one file: which column is what, where the rows begin, and how many lines went by."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bookreport.errors import BadData, Configuration

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

REQUIRED = ("user_id", "isbn10")
COPIES_OR_MONEY = ("value", "amount")
LOOK_LIKE = {
    "quantity": {"quantity", "qty", "copies", "units", "pieces", "pcs"},
    "unit_price": {"price", "cost", "paid", "revenue", "total", "value", "amount"},
}
"""Words in an unknown column's name by which it looks like copies, or like money."""

LONGEST_HEADER = 64 * 1024
"""Bytes within which a file's header record must end."""

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


class Columns:
    """How headers are read: the names of NAMES, and the user's own settings.

    `declared`: BOOKREPORT_COLUMNS, as `user_id=client no,isbn10=code`; `extra=NAME` says that a column is none of these.
    `header`: BOOKREPORT_HEADER, the columns of files that have no header line. Raises Configuration when either makes no
    sense.
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
        declared = {name: column for column, name in self._declared.items() if name in folded}
        claims: dict[str, list[tuple[int, int]]] = {column: [] for column in NAMES}
        for position, name in enumerate(folded):
            if name in declared:
                claims[declared[name]].append((-1, position))
                continue
            for column, names in NAMES.items():
                if name in names and name not in self._unknown:
                    claims[column].append((names.index(name), position))
        columns = {column: self._winner(column, found, header) for column, found in claims.items() if found}
        self._refuse_copies_or_money(columns, folded, declared, header)
        missing = [column for column in REQUIRED if column not in columns]
        if missing:
            understood = "; ".join(f"for {column} {', '.join(NAMES[column])}" for column in missing)
            raise BadData(
                f"no column for {' and '.join(missing)} in the header {shown(header)}",
                hint=f"understood are {understood} (case, spaces, - and _ don't count); name others in BOOKREPORT_COLUMNS,"
                " or, if the files have no header line, all columns in BOOKREPORT_HEADER",
            )
        self._refuse_lookalikes(columns, header)
        taken = set(columns.values())
        dropped = tuple(p for p in (0,) if p not in taken and folded and folded[0] in ("", "unnamed:0"))
        return Reading(tuple(header), columns, self._extra(header, taken | set(dropped)), dropped)

    @staticmethod
    def _winner(column: str, found: list[tuple[int, int]], header: Sequence[str]) -> int:
        found = sorted(found)
        rank, position = found[0]
        rivals = [p for r, p in found if r == rank or rank > 0]
        if len(rivals) > 1 and column != "purchased_at":
            names = " and ".join(repr(header[p]) for p in rivals)
            raise BadData(
                f"{names} both claim to be {column} in the header {shown(header)}",
                hint=f"say which one it is: BOOKREPORT_COLUMNS='{column}={header[rivals[0]]}'",
            )
        return position

    def _refuse_copies_or_money(
        self, columns: dict[str, int], folded: list[str], declared: dict[str, str], header: Sequence[str]
    ) -> None:
        position = columns.get("sale_value")
        if position is None or "unit_price" not in columns or folded[position] in declared:
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


def split_header(chunks: Iterable[bytes]) -> tuple[list[str], int, Iterator[bytes]]:
    """Take the header record off a file's bytes.

    Returns the names, the number of physical lines the record took (0: the file is empty), and the bytes behind it.
    Raises BadData when it is not a header of RFC 4180 in UTF-8.
    """
    source = iter(chunks)
    start = b""
    for chunk in source:
        start += chunk
        if len(start) >= LONGEST_HEADER or _record_end(start):
            break
    start = start.removeprefix(_BOM)
    if not start:
        return [], 0, source
    end = _record_end(start) or len(start)
    _refuse_encodings(start[:end])
    if end > LONGEST_HEADER:
        raise BadData(f"the header does not end within {LONGEST_HEADER:,} bytes", hint="is it a CSV file with a header line?")
    try:
        record = start[:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadData(
            f"line 1: the header is not UTF-8 (byte {start[error.start]:#04x} at {error.start})", hint="write the file as UTF-8"
        ) from None
    if "\r" in record.removesuffix("\n").removesuffix("\r"):
        raise BadData("line 1: the lines end with CR alone", hint="end lines with LF or CRLF (RFC 4180)")
    try:
        names = next(csv.reader([record], strict=True), [])
    except csv.Error as error:
        raise BadData(f"line 1: the header is not CSV: {error}", hint="quote as RFC 4180 says") from None
    if len(names) == 1 and re.search(r"[;\t|]", names[0]):
        raise BadData(
            f"line 1: the header {shown(names)} has no comma", hint="separate fields by commas, not by semicolons, tabs or bars"
        )
    return names, start.count(b"\n", 0, end) or 1, _chain(start[end:], source)


def without_bom(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the bytes of a file that has no header line, without its byte order mark."""
    source = iter(chunks)
    start = b""
    while len(start) < len(_BOM) and (chunk := next(source, b"")):
        start += chunk
    return _chain(start.removeprefix(_BOM), source)


def _chain(start: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield start
    yield from rest


def _record_end(start: bytes) -> int:
    end = start.find(b"\n") + 1
    while end and start.count(b'"', 0, end) % 2:
        end = start.find(b"\n", end) + 1
    return end


def _refuse_encodings(header: bytes) -> None:
    if header.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in header:
        raise BadData("line 1: the file looks like UTF-16, or is no text", hint="write the file as UTF-8")
    if header.startswith((b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        raise BadData("the file is compressed, but not by gzip", hint="write plain CSV, or compress it with gzip")


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
