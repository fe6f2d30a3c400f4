"""A CSV file that knows its records: when damaged, it still knows which are intact and what the others may become.

A `Sheet` is cut into stretches: its header, then a record each. An intact record must arrive with the very values it was
made of, or be set aside with its text. A stretch that was touched is read anew, strictly by RFC 4180: what is well-formed
there may be loaded, though it is wrong, and all else must be set aside. Shares no code with what is tested.
"""

from __future__ import annotations

import itertools
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

BOM = "\ufeff"
MEBIBYTE = 1 << 20
LONGEST_TEXT = 900
"""How many bytes of a line over a mebibyte are looked for among the rejects: they keep only its beginning."""

NAMES = {
    "user_id": ("user_id", "User ID", "customer-id", "buyer"),
    "isbn10": ("isbn10", "ISBN-10", "isbn"),
    "quantity": ("quantity", "Qty", "copies"),
    "unit_price": ("unit_price", "Unit Price", "price"),
    "sale_value": ("sale_value", "total", "Total Price"),
    "purchased_at": ("purchased_at", "Timestamp", "date", "ordered_at"),
}
UNDERSTOOD = {
    "user_id": ("userid", "user", "customerid", "customer", "buyerid", "buyer"),
    "isbn10": ("isbn10", "isbn"),
    "quantity": ("quantity", "qty", "copies", "units", "count", "numberofbooks"),
    "unit_price": ("unitprice", "price", "bookprice"),
    "sale_value": ("salevalue", "total", "totalprice", "totalvalue", "value", "amount"),
    "purchased_at": (
        *("purchasedat", "timestamp", "purchasetime", "purchasedate", "datetime", "createdat", "date", "time"),
        *("orderedat", "orderdate", "soldat", "boughtat"),
    ),
}
"""The names that the contract lists, folded."""

ISBNS = ("0439785960", "0-306-40615-2", "080442957X", "9780306406157", "140449132", "8420412147", "9799999999990")
NOTES = ("", "gift", "for Zoë", "a; b | c", "it's \\ fine", "tab\tin it")
QUOTED_NOTES = ('say "hi"', "one, two", '"', "one\ntwo", "one\r\ntwo\r\nthree", "x\n\ny", 'a, "b"\nc', "“typographic”, too")


@dataclass(frozen=True)
class Row:
    """A row of `purchases`, without its hour."""

    user_id: str
    isbn10: str
    quantity: int
    unit_price: Decimal | None
    sale_value: Decimal
    purchased_at: str | None = None
    extra: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Record:
    """A record that must not vanish: its text is set aside, or one of `rows` is loaded."""

    text: str
    rows: tuple[Row, ...] = ()
    intact: bool = False


Way = tuple[Record, ...]
"""One way to read a stretch of a file."""


@dataclass(frozen=True)
class Case:
    """A damaged file: each of its `stretches` lists the ways it may be read."""

    name: str
    content: bytes
    stretches: tuple[tuple[Way, ...], ...]
    suffix: str = ".csv"

    @property
    def records(self) -> int:
        """How many records must not vanish, each stretch read line by line."""
        return sum(len(ways[0]) for ways in self.stretches)

    @property
    def users(self) -> set[str]:
        """The users of its intact records."""
        records = itertools.chain.from_iterable(ways[0] for ways in self.stretches)
        return {row.user_id for record in records if record.intact for row in record.rows}


@dataclass
class Stretch:
    """Bytes of a file: the header, noise before it, or a record; `row` is what an intact one was made of.

    `columns`: where another header speaks for it. `barren`: nothing of it may be loaded, however well-formed it looks.
    """

    raw: bytes
    row: Row | None = None
    kind: str = "record"
    columns: tuple[str, ...] | None = None
    barren: bool = False


@dataclass
class Sheet:
    """A file in stretches; `columns` are what its columns mean, `names` its header, `values` the fields of each record."""

    columns: tuple[str, ...]
    names: tuple[str, ...]
    values: list[list[str]]
    line_end: str = "\n"
    quoting: str = "minimal"
    stretches: list[Stretch] = field(default_factory=list)

    def render(self, values: Sequence[str], *, line_end: str | None = None) -> bytes:
        """Return a record as a writer of CSV writes it."""
        return (",".join(map(self.quoted, values)) + (self.line_end if line_end is None else line_end)).encode()

    def quoted(self, value: str) -> str:
        if self.quoting == "all" or (self.quoting == "minimal" and re.search(r'[",\r\n]', value)):
            return '"' + value.replace('"', '""') + '"'
        return value

    @property
    def plain(self) -> bytes:
        return b"".join(stretch.raw for stretch in self.stretches)

    @property
    def head(self) -> int:
        """The number of the header's stretch; the records are behind it."""
        return next(number for number, stretch in enumerate(self.stretches) if stretch.kind == "head")

    @property
    def body(self) -> range:
        return range(self.head + 1, len(self.stretches))

    def edit(self, start: int, end: int, new: bytes) -> None:
        """Replace bytes; every stretch they touch is damaged. An insertion belongs to the stretch after it."""
        at = 0
        for number, stretch in enumerate(self.stretches):
            first, last = at, at + len(stretch.raw)
            at = last
            is_last = number == len(self.stretches) - 1
            inserted = start == end and (first <= start < last or (is_last and start == last))
            if not inserted and (end <= first or start >= last):
                continue
            left, right = stretch.raw[: max(0, start - first)], stretch.raw[max(0, end - first) :]
            self.stretches[number] = Stretch(left + new + right, kind=stretch.kind)
            new = b""

    def write(self, number: int, raw: bytes, **options: Any) -> None:
        """Replace the bytes of a stretch."""
        self.stretches[number] = replace(self.stretches[number], raw=raw, row=None, **options)

    def insert(self, number: int, raw: bytes, **options: Any) -> None:
        """Put further lines before the stretch `number`, which may be one behind the last."""
        if number == len(self.stretches) and not self.plain.endswith(b"\n"):
            self.stretches[-1].raw += self.line_end.encode()
        self.stretches.insert(number, Stretch(raw, **options))

    def case(
        self, name: str, pack: Callable[[bytes], bytes] = bytes, *, more: Sequence[Record] = (), suffix: str | None = None
    ) -> Case:
        """Return the file as it is now, with all it may become; `more` are further records that must not be lost."""
        content = pack(self.plain)
        if suffix is None:
            suffix = ".csv.gz" if content.startswith(b"\x1f\x8b") else ".csv"
        return Case(name, content, (*self._stretches(), *(((record,),) for record in more)), suffix)

    def _stretches(self) -> Iterator[tuple[Way, ...]]:
        columns: tuple[str, ...] | None = self.columns
        for stretch, swallowed in self._merged():
            if stretch.kind == "noise":
                continue
            if stretch.kind == "head":
                if not stretch.barren:
                    continue
                header, below = _first_line(stretch.raw)
                columns = _understood(header)
                for each in swallowed:
                    # A record that became part of the header.
                    if _rendered(each.raw) in _rendered(header):
                        yield ((Record(_rendered(each.raw)),),)
                yield from _ways_of(below, columns)
            elif stretch.row is not None and columns == self.columns:
                yield ((Record(_rendered(stretch.raw), (stretch.row,), intact=True),),)
            elif stretch.row is not None:
                text = _rendered(stretch.raw)
                yield ((Record(text, read_strictly(stretch.raw.decode().rstrip("\r\n"), columns)),),)
            else:
                yield from _ways_of(stretch.raw, None if stretch.barren else stretch.columns or columns)

    def _merged(self) -> Iterator[tuple[Stretch, list[Stretch]]]:
        """Give the stretches, each with those that its missing line end has joined to it; a damaged head is barren."""
        waiting: Stretch | None = None
        swallowed: list[Stretch] = []
        for each in self.stretches:
            now = each
            if waiting is not None:
                swallowed.append(each)
                now = replace(waiting, raw=waiting.raw + each.raw, row=None, columns=waiting.columns or each.columns)
            if now.kind == "head" and (waiting is not None or now.raw != self.render(self.names)):
                now = replace(now, barren=True)
            if now.raw.endswith(b"\n") or now.row is not None:
                yield now, swallowed
                waiting, swallowed = None, []
            else:
                waiting = now
        if waiting is not None:
            yield waiting, swallowed


def _first_line(raw: bytes) -> tuple[bytes, bytes]:
    """Return the first line that is not blank, and what is below it."""
    lines = raw.split(b"\n")
    for number, line in enumerate(lines):
        if not _is_blank(line):
            return line, b"\n".join(lines[number + 1 :])
    return b"", b""


def _is_blank(line: bytes) -> bool:
    return not line.decode("utf-8", "replace").replace(BOM, "").strip()


def _rendered(raw: bytes) -> str:
    """Return bytes as rejects have them, without the line end, blank lines, and the CR of CRLF."""
    if len(raw) > MEBIBYTE:
        return raw[:LONGEST_TEXT].decode("utf-8", "ignore")
    text = raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
    lines = text.replace("\r\n", "\n").rstrip("\r\n").split("\n")
    return "\n".join(line for line in lines if line.replace(BOM, "").strip())


def fold(name: str) -> str:
    return re.sub(r"[\s_\-\u2010-\u2015]+", "", name.replace(BOM, "")).casefold()


def _understood(header: bytes) -> tuple[str, ...] | None:
    """Return what each column of a damaged header means; None if nobody can know, and nothing may be loaded."""
    fields = _fields(header.decode("utf-8", "replace").strip("\r").lstrip(BOM))
    if fields is None or b"\0" in header:
        return None
    folded = [fold(name) for name in fields]
    columns = [""] * len(fields)
    for column, names in UNDERSTOOD.items():
        claims = sorted((names.index(name), at) for at, name in enumerate(folded) if name in names)
        if len(claims) > 1 and column != "purchased_at" and (claims[0][0] or not claims[1][0]):
            return None
        if claims:
            columns[claims[0][1]] = column
    for at, name in enumerate(fields):
        if not columns[at]:
            own = f"extra {name.strip() or f'column {at + 1}'}"
            columns[at] = next(
                each for each in itertools.chain([own], (f"{own} ({n})" for n in itertools.count(2))) if each not in columns
            )
    if folded[0] in ("", "unnamed:0"):
        columns[0] = "dropped"
    return tuple(columns)


def _ways_of(raw: bytes, columns: tuple[str, ...] | None) -> Iterator[tuple[Way, ...]]:
    """Give the ways to read damaged bytes: line by line, with CR as a line end too, or with line breaks within quotes."""
    by_line = _way(raw.split(b"\n"), columns)
    if not by_line:
        return
    ways = [by_line]
    if columns is not None and b"\r" in raw:
        ways.append(_way(re.split(rb"\r\n|\n|\r", raw), columns))
    if columns is not None and b'"' in raw and raw.strip(b"\r\n").count(b"\n"):
        ways += [_way(_by_quotes(raw), columns), _way(_by_quotes(raw, fields=len(columns)), columns)]
    yield tuple(dict.fromkeys(ways))


def _way(records: Sequence[bytes], columns: tuple[str, ...] | None) -> Way:
    return tuple(_record(record, columns) for record in records if not _is_blank(record))


def _by_quotes(raw: bytes, fields: int | None = None) -> list[bytes]:
    """Return the records with the lines that quotes join; `fields`: only where that makes as many of them."""
    records, start = [], 0
    while start < len(raw):
        line_end = end = raw.find(b"\n", start) + 1 or len(raw)
        while raw.count(b'"', start, end) % 2 and end < len(raw):
            end = raw.find(b"\n", end) + 1 or len(raw)
        if fields is not None and len(_fields(raw[start:end].decode("utf-8", "replace").rstrip("\r\n")) or ()) != fields:
            end = line_end
        records.append(raw[start:end].removesuffix(b"\n"))
        start = end
    return records


def _record(raw: bytes, columns: tuple[str, ...] | None) -> Record:
    text = raw.removesuffix(b"\r")
    try:
        return Record(_rendered(raw), read_strictly(text.decode(), columns))
    except UnicodeDecodeError:
        return Record(_rendered(raw))


_FIELD = re.compile(r'"((?:[^"]|"")*)"|([^",\r\n]*)')


def _fields(text: str) -> list[str] | None:
    """Return the fields of one record by strict RFC 4180; None if it is not one."""
    fields, at = [], 0
    while True:
        match = _FIELD.match(text, at)
        assert match is not None
        fields.append(match[2] if match[1] is None else match[1].replace('""', '"'))
        if match.end() == len(text):
            return fields
        if text[match.end()] != ",":
            return None
        at = match.end() + 1


def read_strictly(text: str, columns: tuple[str, ...] | None) -> tuple[Row, ...]:
    """Return the rows that a record may become, none unless it obeys RFC 4180; outer blanks may be kept or not."""
    if columns is None or "\0" in text:
        return ()
    rows = (
        row_of(dict(zip(columns, fields, strict=True)), strip, keep)
        # A BOM may precede a quote.
        for fields in map(_fields, (text, text.lstrip(BOM)))
        if fields is not None and len(fields) == len(columns)
        for strip, keep in itertools.product((_strip, _strip_all), (_as_it_is, _strip_all))
    )
    return tuple(dict.fromkeys(row for row in rows if row is not None))


def row_of(values: dict[str, str], strip: Callable[[str], str], keep: Callable[[str], str]) -> Row | None:
    user, isbn = (strip(values.get(column, "")) for column in ("user_id", "isbn10"))
    if not user or not isbn or re.search(r"[\r\n]", user + isbn) or len(user.encode()) > 1000 or len(isbn.encode()) > 100:
        return None
    quantity = _number(values.get("quantity") or "1", whole=True)
    price = _number(values["unit_price"]) if values.get("unit_price") else None
    value = _number(values["sale_value"]) if values.get("sale_value") else None
    if quantity is None or not 1 <= quantity <= 10**6 or (price is None and value is None):
        return None
    for column, number in (("unit_price", price), ("sale_value", value)):
        if values.get(column) and (number is None or not 0 <= number < 10**12):
            return None
    extra = ((fold(name[6:]), keep(text)) for name, text in values.items() if name.startswith("extra "))
    total = quantity * price if value is None and price is not None else value
    assert total is not None
    return Row(user, isbn, int(quantity), price, total, keep(values.get("purchased_at", "")) or None, frozenset(extra))


def _as_it_is(text: str) -> str:
    return text


def _strip(text: str) -> str:
    return text.strip(" \t\r\n" + BOM)


def _strip_all(text: str) -> str:
    while (stripped := text.strip().strip(BOM + "\u200b")) != text:
        text = stripped
    return text


_WHOLE = re.compile(r"[+-]?(?:\d+(?:_\d+)*|0x(?:_?[0-9a-f])+|0o(?:_?[0-7])+|0b(?:_?[01])+)", re.ASCII | re.I)
_DECIMAL = re.compile(r"[+-]?(?:\d+(?:_\d+)*\.?(?:\d+(?:_\d+)*)?|\.\d+(?:_\d+)*)(?:e[+-]?\d{1,5})?", re.ASCII | re.I)


def _number(text: str, *, whole: bool = False) -> Decimal | None:
    """Return the number that Postgres reads in a text; None if it is no plausible price or quantity."""
    digits = text.strip(" \t\n\v\f\r")
    if _WHOLE.fullmatch(digits):
        bare = digits.replace("_", "").lower()
        return Decimal(int(bare, 0) if re.match(r"[+-]?0[xob]", bare) else bare)
    return Decimal(digits.replace("_", "")) if not whole and _DECIMAL.fullmatch(digits) else None


def clean(chance: random.Random, *, records: int | None = None, notes: bool | None = None, first: int = 1) -> Sheet:
    """Return a clean file of a random shape; its users are numbered from `first` on."""
    has_notes = chance.random() < 0.5 if notes is None else notes
    columns = ["user_id", "isbn10"]
    columns += ["quantity"] * (chance.random() < 0.6)
    columns += chance.choice([["unit_price"], ["sale_value"], ["unit_price", "sale_value"]])
    columns += ["purchased_at"] * (chance.random() < 0.4)
    columns += ["extra note"] * has_notes
    if chance.random() < 0.4:
        chance.shuffle(columns)
    names = tuple("note" if column == "extra note" else chance.choice(NAMES[column]) for column in columns)
    quoting = chance.choice(["minimal", "minimal", "all", "none"])
    sheet = Sheet(tuple(columns), names, [], chance.choice(["\n", "\n", "\r\n"]), quoting)
    number = chance.randint(3, 8) if records is None else records
    sheet.stretches.append(Stretch(sheet.render(names), kind="head"))
    for user in range(first, first + number):
        values = [_value(chance, column, user, quoting) for column in columns]
        row = row_of(dict(zip(columns, values, strict=True)), str, str)
        assert row is not None
        sheet.values.append(values)
        sheet.stretches.append(Stretch(sheet.render(values), row))
    if chance.random() < 0.2:
        sheet.stretches[-1].raw = sheet.stretches[-1].raw.removesuffix(sheet.line_end.encode())
    return sheet


def _value(chance: random.Random, column: str, user: int, quoting: str) -> str:
    if column == "user_id":
        return chance.choice(["user{:05}", "u-{:05}", "zoë {:05}", "o'neil{:05}"]).format(user)
    if column == "isbn10":
        return chance.choice(ISBNS)
    if column == "quantity":
        return chance.choice(["1", "2", "13", "1000000", ""])
    if column == "purchased_at":
        return chance.choice(["2024-05-01T13:05:00Z", "1 May 2024", ""])
    if column == "extra note":
        return chance.choice(NOTES if quoting == "none" else NOTES + QUOTED_NOTES)
    return chance.choice(["12.50", "0", "7", "0.999", "99999.99", "3.10"])


@dataclass
class Finding:
    """What became of one file: intact records set aside, and everything that must never happen."""

    loaded: int = 0
    intact_set_aside: int = 0
    lost: list[str] = field(default_factory=list)


def judge(case: Case, found: Counter[Row], raws: Sequence[str]) -> Finding:
    """Subtract the rows that the file may have loaded from `found`, and look for the other records among its rejects.

    Whatever is left of `found` after all files of the hour was in none of them.
    """
    finding = Finding()
    aside = _SetAside(raws)
    for ways in sorted(case.stretches, key=lambda ways: not ways[0][0].intact):
        taken = max((_take(way, found, aside) for way in ways), key=lambda taken: (not taken.missing, taken.rows.total()))
        found.subtract(taken.rows)
        aside.use(taken.texts)
        finding.loaded += taken.rows.total()
        finding.intact_set_aside += taken.texts.total() if ways[0][0].intact else 0
        finding.lost += taken.missing
    return finding


@dataclass
class _Taken:
    rows: Counter[Row] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)


def _take(way: Way, found: Counter[Row], aside: _SetAside) -> _Taken:
    taken = _Taken()
    for record in way:
        row = next((row for row in record.rows if found[row] > taken.rows[row]), None)
        if row is not None:
            taken.rows[row] += 1
        elif aside.holds(record.text, taken.texts[record.text]):
            taken.texts[record.text] += 1
        else:
            taken.missing.append(record.text[:200])
    return taken


class _SetAside:
    """The texts of a file's rejects, each to be found once."""

    def __init__(self, raws: Sequence[str]) -> None:
        texts = [_rendered(raw.encode("utf-8", "surrogatepass")) for raw in raws]
        self._texts = Counter(texts)
        self._used: Counter[str] = Counter()
        self._all = "\n".join(text for text in texts if text)

    def holds(self, text: str, used: int) -> bool:
        """Return whether a text occurs once more; it may be part of a longer one, or lines of several."""
        used += self._used[text]
        return self._texts[text] > used or self._all.count(text) > used

    def use(self, texts: Counter[str]) -> None:
        self._used += texts
