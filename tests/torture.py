"""Ways to damage a clean file: all that public corpora of bad CSV have, and more; each case knows what it may become."""

from __future__ import annotations

import gzip
import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sheet import BOM, MEBIBYTE, Case, Record, Sheet, Stretch, clean, row_of

MARKS = (
    *(",", ";", "\t", "|", '"', '""', "'", "“", "”", "\\", '\\"', "\n", "\r\n", "\n\r", "\r", "\n\n"),
    *("\v", "\f", "\x85", "\u2028", "\0", " ", "\xa0", BOM, "\u200b"),
)
MONEY = (
    *("1e99999999999999999999", "0e999999999999", "-1e99999999999999999999", "1e-99999999999999999999", "NaN", "Infinity"),
    *("-Infinity", "1_000", "0x1F", "0b1", "0o7", "12,50", "1.234,50", "1,234.50", "1 234.50", "$12.50", "12.50 €", "£5"),
    *("USD 5", "-1", "+5", ".5", "5.", ".", "1e3", "1E-3", "1e16384", "999999999999.99", "1000000000000", "--1", "½", "１"),
    *("n/a", "NULL", "\\N", "-", "#REF!", "=1+1", "TRUE", "0", "-0", "1.5e", "1'000", "9" * 40, "0." + "1" * 20),
)
COPIES = (
    *("0", "-1", "1.0", "1.5", "1e1", "1_000", "0x1F", "1000000", "1000001", "9" * 30, "99999999999", "two", "1,000", "½"),
    *("NaN", "1e99999999999999999999", " 3 ", "+3", "03", "\\N", "NULL", "n/a", "#", "1 000", "1_", "0x", "٣"),
)

Damage = Callable[[random.Random], Case]

DAMAGES: dict[str, Damage] = {}
"""How to damage a file, by name of the class."""

HEAVY = {"overlong line", "gzip: zeros between members"}
"""Classes of large files; a few of each are enough."""


def damage(name: str) -> Callable[[Callable[[random.Random, str], Case]], Callable[[random.Random, str], Case]]:
    def register(make: Callable[[random.Random, str], Case]) -> Callable[[random.Random, str], Case]:
        DAMAGES[name] = lambda chance: make(chance, name)
        return make

    return register


def cases(seed: object, files: int, *, heavy: int = 1) -> Iterator[Case]:
    """Give `files` damaged files, the same number of each class; of the heavy classes `heavy` in all."""
    light = [name for name in DAMAGES if name not in HEAVY]
    names = [name for name in HEAVY for _ in range(heavy)]
    names += list(itertools.islice(itertools.cycle(light), files - len(names)))
    for number, name in enumerate(names):
        yield DAMAGES[name](random.Random(f"{seed} {number} {name}"))


# Single bytes.

_PLACES = {
    "delimiter": rb",",
    "quote": rb'"',
    "line end": rb"\r?\n",
    "escape": rb'""|\\',
}


def _places(sheet: Sheet, pattern: bytes) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(pattern, sheet.plain)]


def _sheet_with(chance: random.Random, pattern: bytes) -> Sheet:
    while True:
        sheet = clean(chance)
        if re.search(pattern, sheet.plain):
            return sheet


def _single(what: str, how: str) -> None:
    @damage(f"{what} {how}")
    def make(chance: random.Random, name: str) -> Case:
        sheet = _sheet_with(chance, _PLACES[what])
        start, end = chance.choice(_places(sheet, _PLACES[what]))
        old = sheet.plain[start:end]
        mark = chance.choice([mark for mark in MARKS if mark.encode() != old]).encode()
        new = {"deleted": b"", "doubled": old * 2, "replaced": mark, "beside another": mark + old}[how]
        sheet.edit(start, end, new)
        return sheet.case(name)


for _what, _how in itertools.product(_PLACES, ("deleted", "doubled", "replaced", "beside another")):
    _single(_what, _how)


def _insert_mark(chance: random.Random, sheet: Sheet) -> None:
    text = sheet.plain.decode()
    at = len(text[: chance.randint(0, len(text))].encode())
    sheet.edit(at, at, chance.choice(MARKS).encode())


@damage("mark inserted anywhere")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    _insert_mark(chance, sheet)
    return sheet.case(name)


@damage("marks inserted anywhere")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    for _ in range(chance.randint(2, 4)):
        _insert_mark(chance, sheet)
    return sheet.case(name)


@damage("bytes of the header")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    at = chance.choice([match.start() for match in re.finditer(rb'[,"\r\n]|^', sheet.render(sheet.names))])
    sheet.edit(at, at + chance.randint(0, 1), chance.choice(MARKS).encode())
    return sheet.case(name)


@damage("invalid UTF-8")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    at = chance.randint(0, len(sheet.plain))
    new = chance.choice([b"\xff", b"\xe9", b"\x80", b"\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe2\x80"])
    sheet.edit(at, at, new)
    return sheet.case(name)


# Fields.


def _some(chance: random.Random, sheet: Sheet) -> list[int]:
    """Return the numbers of some of the records."""
    return sorted(chance.sample(sheet.body, chance.randint(1, min(3, len(sheet.body)))))


def _values(sheet: Sheet, number: int) -> list[str]:
    return list(sheet.values[number - sheet.head - 1])


@damage("fields fewer, more, shifted, doubled")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        at = chance.randrange(len(values))
        changes: list[list[str]] = [
            values[:at] + values[at + 1 :],
            [*values, ""],
            [*values, "more"],
            [*values[:at], values[at], *values[at:]],
            [*values[:at], "", *values[at:]],
            [values[-1], *values[:-1]],
            [*values[1:], values[0]],
            ["", *values[:-1]],
            [*values[1:], ""],
            values[::-1],
            [],
            values * 2,
        ]
        sheet.write(number, sheet.render(chance.choice(changes)))
    return sheet.case(name)


@damage("a column of all records fewer or more")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    at = chance.randrange(len(sheet.columns))
    more = chance.random() < 0.5
    for number in sheet.body:
        values = _values(sheet, number)
        values[at : at + 1] = [values[at], "x"] if more else []
        sheet.write(number, sheet.render(values))
    return sheet.case(name)


@damage("fields empty or blank")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        for at in chance.sample(range(len(values)), chance.randint(1, len(values))):
            values[at] = chance.choice(["", " ", "\t", "   ", BOM, "\xa0", '""'])
        sheet.write(number, sheet.render(values))
    return sheet.case(name)


@damage("blanks and BOMs around fields")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    blanks = ["", " ", "  ", "\t", BOM, f" {BOM}"]
    numbers = list(sheet.body) if chance.random() < 0.5 else _some(chance, sheet)
    for number in numbers:
        values = [chance.choice(blanks) + value + chance.choice(blanks) for value in _values(sheet, number)]
        sheet.write(number, sheet.render(values))
    return sheet.case(name)


@damage("a blank behind each delimiter")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=False)
    blank = chance.choice([b", ", b" ,", b" , ", b",\t"])
    first = 0 if chance.random() < 0.5 else 1
    for number in range(first, len(sheet.stretches)):
        sheet.write(number, sheet.stretches[number].raw.replace(b",", blank))
    return sheet.case(name)


@damage("quotes beside or within fields")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    for number in _some(chance, sheet):
        fields = [sheet.quoted(value) for value in _values(sheet, number)]
        at = chance.randrange(len(fields))
        bare = _values(sheet, number)[at].replace('"', "").replace("\n", "").replace("\r", "")
        middle = len(bare) // 2
        fields[at] = chance.choice(
            [
                f'{bare[:middle]}"{bare[middle:]}"',
                f'"{bare[:middle]}"{bare[middle:]}',
                f'{bare[:middle]}"{bare[middle:]}',
                f'"{bare}" x',
                f'x "{bare}"',
                f'"{bare}""',
                f'""{bare}"',
                f'""{bare}""',
                f'"""{bare}"""',
                f'\\"{bare}\\"',
                f'"{bare}\\"',
                f'"{bare}\\""',
                f'"{bare}" "{bare}"',
                f'"{bare}"{BOM}',
                f'{BOM}"{bare}"',
                f' "{bare}"',
                f'"{bare}" ',
                f'"" {bare}',
                f'"{bare}, 5","" {bare}',
                f'{bare}""',
                f'{bare}"',
                f'"{bare}',
            ]
        )
        sheet.write(number, ",".join(fields).encode() + sheet.line_end.encode())
    return sheet.case(name)


@damage("apostrophes as quotes")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=False)
    first, last = chance.choice([("'", "'"), ("‘", "’"), ("“", "”"), ("`", "´"), ("«", "»")])
    texts = chance.random() < 0.5
    for number in sheet.body:
        fields = [
            f"{first}{value}{last}" if not texts or column in ("user_id", "isbn10") else value
            for column, value in zip(sheet.columns, _values(sheet, number), strict=True)
        ]
        sheet.write(number, (",".join(fields) + sheet.line_end).encode(), barren=first == "'")
    if chance.random() < 0.5:
        header = ",".join(f"{first}{each}{last}" for each in sheet.names)
        sheet.write(0, (header + sheet.line_end).encode())
    return sheet.case(name)


@damage("ISBNs in apostrophes or as formulas")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    at = sheet.columns.index("isbn10")
    shape = chance.choice(["'{}'", "'{}", '="{}"', "\u200e{}", "ISBN {}", "{}.0", "4.39786E+08", "0{}", "{}\u2028"])
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        values[at] = shape.format(values[at])
        raw = sheet.render(values) if chance.random() < 0.5 else ",".join(values).encode() + sheet.line_end.encode()
        sheet.write(number, raw)
    return sheet.case(name)


@damage("values that are no numbers")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    numeric = [at for at, column in enumerate(sheet.columns) if column in ("quantity", "unit_price", "sale_value")]
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        at = chance.choice(numeric)
        values[at] = chance.choice(COPIES if sheet.columns[at] == "quantity" else MONEY)
        sheet.write(number, sheet.render(values))
    return sheet.case(name)


@damage("every record bad")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    numeric = [at for at, column in enumerate(sheet.columns) if column in ("quantity", "unit_price", "sale_value")]
    for number in sheet.body:
        values = _values(sheet, number)
        for at in numeric:
            values[at] = "n/a"
        sheet.write(number, sheet.render(values))
    return sheet.case(name)


@damage("fields too long, or of control characters")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        at = chance.randrange(len(values))
        values[at] = chance.choice(
            [
                values[at] * 80,
                "ü" * 501,
                "9" * 101,
                "x" * 1000,
                "\x01" + values[at],
                values[at] + "\x7f",
                "\x1a",
                "\ufffd",
                "\\.",
            ]
        )
        sheet.write(number, sheet.render(values))
    return sheet.case(name)


@damage("a line break in a quoted field")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    breaks = ["\n", "\r\n", "\r", "\n\n", "\n\r"]
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        at = chance.randrange(len(values))
        middle = chance.randint(0, len(values[at]))
        values[at] = values[at][:middle] + chance.choice(breaks) + values[at][middle:]
        sheet.write(
            number, ",".join('"' + value.replace('"', '""') + '"' for value in values).encode() + sheet.line_end.encode()
        )
    return sheet.case(name)


# Quotes over several records.


def _spoil(chance: random.Random, sheet: Sheet, numbers: Sequence[int]) -> None:
    """Spoil some of the records."""
    for number in numbers:
        if chance.random() < 0.5:
            values = _values(sheet, number)
            money = [at for at, column in enumerate(sheet.columns) if column in ("unit_price", "sale_value")]
            values[chance.choice(money)] = "n/a"
            sheet.write(number, sheet.render(values))


def _stray_quote(chance: random.Random, sheet: Sheet, number: int, *, closing: bool = False) -> None:
    raw = sheet.stretches[number].raw
    line = raw.rstrip(b"\r\n")
    ends = [match.start() for match in re.finditer(rb",", line)] + [len(line)]
    starts = [0] + [match.end() for match in re.finditer(rb",", line)]
    at = chance.choice(ends if closing else [*starts, starts[-1], len(line)])
    sheet.write(number, raw[:at] + b'"' + raw[at:])


@damage("a quote never closed")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, records=chance.randint(3, 10))
    number = chance.choice(sheet.body)
    _spoil(chance, sheet, [each for each in sheet.body if each != number])
    _stray_quote(chance, sheet, number)
    return sheet.case(name)


@damage("a quote never closed over many records")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, records=chance.randint(90, 130))
    _stray_quote(chance, sheet, chance.choice(sheet.body))
    return sheet.case(name)


@damage("a pair of stray quotes")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, records=chance.randint(4, 9), notes=chance.random() < 0.8)
    first, last = sorted(chance.sample(sheet.body, 2))
    between = range(first + 1, last)
    _spoil(chance, sheet, between if chance.random() < 0.5 else [each for each in sheet.body if each not in (first, last)])
    _stray_quote(chance, sheet, first)
    _stray_quote(chance, sheet, last, closing=True)
    return sheet.case(name)


@damage("a stray quote within a note, over bad records")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, records=chance.randint(4, 7), notes=True)
    if sheet.quoting == "none":
        sheet.quoting = "minimal"
    at = sheet.columns.index("extra note")
    first, last = sorted(chance.sample(sheet.body, 2))
    for number in range(first, last + 1):
        values = _values(sheet, number)
        values[at] = "x"
        if number not in (first, last) or (number == last and chance.random() < 0.7):
            money = [each for each, column in enumerate(sheet.columns) if column in ("unit_price", "sale_value")]
            values[money[0]] = "n/a"
        fields = [sheet.quoted(value) for value in values]
        fields[at] = {first: '"x', last: chance.choice(['"z', 'z"'])}.get(number, "y")
        sheet.write(number, ",".join(fields).encode() + sheet.line_end.encode())
    return sheet.case(name)


@damage("notes of many lines")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=True)
    sheet.quoting = chance.choice(["minimal", "all"])
    at = sheet.columns.index("extra note")
    sheet.stretches[0].raw = sheet.render(sheet.names)
    for number in sheet.body:
        values = _values(sheet, number)
        line_break = chance.choice(["\n", "\r\n", "\n\n", "\n "])
        values[at] = line_break.join(f"{each}: it's" for each in range(chance.choice([2, 3, 20, 99, 100, 101, 150])))
        row = row_of(dict(zip(sheet.columns, values, strict=True)), str, str)
        sheet.stretches[number] = Stretch(sheet.render(values), row)
    if chance.random() < 0.5:
        _spoil(chance, sheet, _some(chance, sheet))
    return sheet.case(name)


@damage("a note that holds a sale")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=True)
    at = sheet.columns.index("extra note")
    for number in _some(chance, sheet):
        values = _values(sheet, number)
        inner = sheet.render(_values(sheet, number), line_end="").decode().replace('"', "")
        values[at] = chance.choice(["see\n{}\nend", "{}", "\n{}\n", "a\n{}", "a\r\n{}\r\nb"]).format(inner)
        sheet.write(
            number, ",".join('"' + value.replace('"', '""') + '"' for value in values).encode() + sheet.line_end.encode()
        )
    return sheet.case(name)


# Lines.


@damage("blank lines")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    for _ in range(chance.randint(1, 3)):
        blank = chance.choice(["", " ", "\t", "   ", "\xa0", "\v", BOM, " \r"]) + sheet.line_end
        sheet.insert(chance.randint(0, len(sheet.stretches)), blank.encode() * chance.choice([1, 1, 2, 50]), kind="noise")
    return sheet.case(name)


@damage("the first line blank")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    blank = chance.choice(["", "", " ", "\t", "  \t "]) + chance.choice(["\n", "\r\n"])
    bom = chance.choice(["", "", BOM])
    sheet.insert(0, (bom + blank * chance.choice([1, 1, 2, 7])).encode(), kind="noise")
    return sheet.case(name, chance.choice(PACKS))


@damage("lines of delimiters alone")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    line = chance.choice([",", ", ", '"",']) * (len(sheet.columns) - 1)
    sheet.insert(chance.choice([0, *sheet.body, len(sheet.stretches)]), (line + sheet.line_end).encode())
    if sheet.stretches[0].kind == "record":
        sheet.stretches[0].kind = "noise"
    return sheet.case(name)


@damage("comment lines")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    comments = ("# of 2024-05-01", "-- by hand", "//", ";", "# a, b, c", '# "', "#", "REM it's")
    for _ in range(chance.randint(1, 3)):
        line = (chance.choice(comments) + sheet.line_end).encode()
        at = chance.randint(0, len(sheet.stretches))
        sheet.insert(at, line, kind="noise" if at <= sheet.head else "record")
    return sheet.case(name)


@damage("preamble")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    lines = ["Sales of 2024-05-01", "", "Bookstore, Inc.", "sep=,", "a,b,c,d", '"Report, of May"', "[data]", "page 1 of 1,,,"]
    for line in chance.sample(lines, chance.randint(1, 3)):
        sheet.insert(sheet.head, (line + sheet.line_end).encode(), kind="noise")
    return sheet.case(name)


@damage("sep= line")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    sheet.insert(0, (chance.choice(["sep=,", '"sep=,"', "sep=;", f"{BOM}sep=,"]) + sheet.line_end).encode(), kind="noise")
    return sheet.case(name)


@damage("footer")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    empty = [""] * len(sheet.columns)
    money = max(at for at, column in enumerate(sheet.columns) if column in ("unit_price", "sale_value"))
    total = [*empty[:money], "99.90", *empty[money + 1 :]]
    lines = [
        sheet.render(["Total", *total[1:]]),
        sheet.render(total),
        sheet.render(empty),
        b"(3 rows)" + sheet.line_end.encode(),
        b"Total" + sheet.line_end.encode(),
        b"\\.\n",
        b"\\.\r\n",
        b"\x1a",
        b"-- end of file --\n\n\n",
        b"\0" * 7,
    ]
    for line in chance.sample(lines, chance.randint(1, 2)):
        sheet.insert(len(sheet.stretches), line)
    return sheet.case(name)


@damage("end-of-copy mark")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    sheet.insert(chance.choice(sheet.body), b"\\." + sheet.line_end.encode())
    return sheet.case(name)


@damage("records doubled or out of order")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    if not sheet.plain.endswith(b"\n"):
        sheet.stretches[-1].raw += sheet.line_end.encode()
    for number in _some(chance, sheet):
        sheet.stretches += [replace(sheet.stretches[number])] * chance.randint(1, 3)
    body = sheet.stretches[1:]
    chance.shuffle(body)
    sheet.stretches[1:] = body
    return sheet.case(name)


@damage("repeats the header")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    raw = chance.choice([sheet.stretches[0].raw, BOM.encode() + sheet.stretches[0].raw, sheet.stretches[0].raw.upper()])
    for _ in range(chance.choice([1, 1, 2])):
        sheet.insert(chance.choice([*sheet.body, len(sheet.stretches)]), raw)
    return sheet.case(name)


@damage("another header")
def _(chance: random.Random, name: str) -> Case:
    """Files concatenated with cat: from some line on, another header applies."""
    sheet = clean(chance, records=4)
    while True:
        second = clean(chance, records=4, first=100, notes="extra note" in sheet.columns)
        order = list(range(len(sheet.columns)))
        if chance.random() < 0.5:
            chance.shuffle(order)
        else:
            user, isbn = sheet.columns.index("user_id"), sheet.columns.index("isbn10")
            order[user], order[isbn] = isbn, user
        if chance.random() < 0.6:
            # The same columns in another order: users would become ISBNs.
            second = replace(
                sheet, columns=tuple(sheet.columns[at] for at in order), names=tuple(sheet.names[at] for at in order)
            )
            second.values = [[values[at] for at in order] for values in sheet.values]
        if second.columns != sheet.columns:
            break
    gap = chance.choice([b"", b"", b"\n", BOM.encode()])
    if gap == b"\n":
        sheet.insert(len(sheet.stretches), gap, kind="noise")
    header = second.render(second.names)
    header = chance.choice([header, header, header.upper(), b" " + header])
    sheet.insert(len(sheet.stretches), (gap if gap != b"\n" else b"") + header)
    for values in second.values:
        sheet.insert(len(sheet.stretches), second.render(values), columns=second.columns)
    return sheet.case(name)


@damage("a second table")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    tables = [
        ["isbn10,format,language", "0439785960,Hardcover,English"],
        ["store,city,revenue,staff", "s1,Lima,100.00,4", "s2,Oslo,20,3"],
        ["key;value", "rows;12"],
        ["Summary", "rows,12", "total,99.90"],
    ]
    if chance.random() < 0.5:
        sheet.insert(len(sheet.stretches), sheet.line_end.encode(), kind="noise")
    for line in chance.choice(tables):
        sheet.insert(len(sheet.stretches), (line + sheet.line_end).encode())
    return sheet.case(name)


@damage("files joined without a line end")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    head = sheet.stretches[0].raw
    last = sheet.stretches[-1]
    sheet.write(len(sheet.stretches) - 1, last.raw.removesuffix(sheet.line_end.encode()) + head)
    for values in sheet.values:
        row = row_of(dict(zip(sheet.columns, values, strict=True)), str, str)
        sheet.insert(len(sheet.stretches), sheet.render(values), row=row)
    return sheet.case(name)


@damage("no header")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    del sheet.stretches[0]
    return sheet.case(name)


@damage("the header over two lines")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    at = chance.randrange(len(sheet.names))
    open_name = [*sheet.names[:at], f'"{sheet.names[at]}']
    breaks = chance.choice(["\n", "\r\n"])
    closed = f'{chance.choice(["", "second line"])}"'
    header = ",".join([*open_name[:-1], f"{open_name[-1]}{breaks}{closed}", *sheet.names[at + 1 :]])
    sheet.write(0, (header + sheet.line_end).encode())
    return sheet.case(name)


@damage("a quote in the header swallows sales")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=True)
    sheet.quoting = "minimal"
    order = [at for at, column in enumerate(sheet.columns) if column != "extra note"] + [sheet.columns.index("extra note")]
    sheet.columns, sheet.names = (tuple(each[at] for at in order) for each in (sheet.columns, sheet.names))
    sheet.values = [[values[at] for at in order] for values in sheet.values]
    names = list(sheet.names)
    names[-1] = f'"{names[-1]}'
    sheet.stretches = [Stretch((",".join(names) + sheet.line_end).encode(), kind="head")]
    closing = chance.randrange(len(sheet.values))
    for number, values in enumerate(sheet.values):
        values[-1] = "x"
        row = row_of(dict(zip(sheet.columns, values, strict=True)), str, str)
        raw = sheet.render(values, line_end="")
        stretch = Stretch(raw + b'"') if number == closing else Stretch(raw, row)
        stretch.raw += sheet.line_end.encode()
        sheet.stretches.append(stretch)
    return sheet.case(name)


@damage("other line ends")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=False)
    if not sheet.plain.endswith(b"\n"):
        sheet.stretches[-1].raw += sheet.line_end.encode()
    ends = ["\n", "\r\n", "\n\r", "\r", "\r\r\n", "\v", "\f", "\x85", "\u2028", "\n\n", "\r\n\r\n", " \n", ",\n", ";\n", "\\\n"]
    mixed = chance.random() < 0.5
    end = chance.choice(ends)
    for number, stretch in enumerate(sheet.stretches):
        if mixed:
            end = chance.choice(ends[:5] if chance.random() < 0.5 else ends)
        if number or chance.random() < 0.7:
            sheet.write(number, stretch.raw.removesuffix(sheet.line_end.encode()) + end.encode())
    return sheet.case(name)


@damage("other delimiters")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    other = chance.choice([b";", b"\t", b"|", b",,", b"\x1f", b":", b" ", "，".encode(), "؛".encode()])
    start = chance.choice([0, 0, 1, len(sheet.stretches) // 2])
    for number in range(start, len(sheet.stretches) if chance.random() < 0.8 else start + 1):
        sheet.write(number, sheet.stretches[number].raw.replace(b",", other))
    return sheet.case(name)


@damage("backslash for a doubled quote")
def _(chance: random.Random, name: str) -> Case:
    sheet = _sheet_with(chance, rb'[^,]""[^,]')
    for number in sheet.body:
        if b'""' in sheet.stretches[number].raw:
            sheet.write(number, re.sub(rb'(?<=[^,])""(?=[^,\r\n])', rb'\\"', sheet.stretches[number].raw))
    return sheet.case(name)


@damage("overlong line")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=True)
    at = sheet.columns.index("extra note")
    number = chance.choice(sheet.body[:-1])
    values = _values(sheet, number)
    size = chance.choice([MEBIBYTE + 1, 3 * MEBIBYTE // 2, 3 * MEBIBYTE])
    values[at] = chance.choice(["x", "é", '"', "," if sheet.quoting != "none" else "b"]) * size
    sheet.write(number, sheet.render(values))
    following = sheet.stretches[number + 1].raw
    bad = [b"\xff" + following, following.replace(b",", b";"), b'"' + following, following]
    sheet.write(number + 1, chance.choice(bad))
    return sheet.case(name)


# Whole files.


@damage("clean")
def _(chance: random.Random, name: str) -> Case:
    return clean(chance).case(name, chance.choice(PACKS))


@damage("UTF-16 and UTF-32")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
    big_endian = BOM.encode("utf-16-be") if chance.random() < 0.5 and encoding == "utf-16-be" else b""
    before = chance.choice([b"", b"", b"\n", b"\r\n", b" \n\n", BOM.encode()])
    raw = before + big_endian + sheet.plain.decode().encode(encoding)
    sheet.stretches = [Stretch(raw, kind="head")]
    return sheet.case(name, chance.choice(PACKS))


@damage("UTF-16 behind the header")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    number = chance.choice(sheet.body)
    rest = b"".join(stretch.raw for stretch in sheet.stretches[number:])
    sheet.stretches[number:] = [Stretch(rest.decode().encode(chance.choice(["utf-16", "utf-16-le", "utf-16-be"])))]
    return sheet.case(name)


@damage("Latin-1")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    encoding = chance.choice(["cp1252", "latin-1"])
    numbers = list(sheet.body) if chance.random() < 0.5 else _some(chance, sheet)
    for number in numbers:
        text = sheet.stretches[number].raw.decode()
        raw = text.replace("o'neil", "o’neil" if encoding == "cp1252" else "ó'neil").encode(encoding, "replace")
        if raw != sheet.stretches[number].raw:
            sheet.write(number, raw)
    return sheet.case(name)


@damage("Latin-1 in the header")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance, notes=True)
    sheet.write(0, sheet.stretches[0].raw.replace(b"note", b"not\xe9"))
    return sheet.case(name)


@damage("BOMs")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    number = chance.choice([0, 0, *range(len(sheet.stretches))])
    sheet.write(number, BOM.encode() * chance.choice([1, 2, 3]) + sheet.stretches[number].raw)
    return sheet.case(name)


@damage("truncated")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    return truncated(sheet, chance.randint(1, len(sheet.plain) - 1), name)


def truncated(sheet: Sheet, size: int, name: str = "truncated") -> Case:
    """Return the first bytes of a file: a last field that is cut may still be well-formed, with another value."""
    cut, left = replace(sheet, stretches=[]), size
    for stretch in sheet.stretches:
        if not left:
            break
        raw = stretch.raw[:left]
        left -= len(raw)
        # A record that lost only its line end is whole.
        whole = raw.rstrip(b"\r\n") == stretch.raw.rstrip(b"\r\n")
        cut.stretches.append(replace(stretch, raw=raw) if whole else Stretch(raw, kind=stretch.kind))
    return cut.case(name)


def truncations(chance: random.Random) -> Iterator[Case]:
    """Give a file cut at each byte of its header and of its first two records."""
    sheet = clean(chance, records=3)
    for size in range(1, sum(len(stretch.raw) for stretch in sheet.stretches[:3]) + 1):
        yield truncated(sheet, size, "truncated at each byte")


@damage("a block lost")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    start = chance.randrange(len(sheet.plain))
    sheet.edit(start, min(len(sheet.plain), start + chance.choice([1, 7, 40, 100])), b"")
    return sheet.case(name)


@damage("a block of zeros")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    size = len(sheet.plain)
    start = chance.randint(0, size)
    length = chance.choice([1, 8, 512, 4096])
    end = start if chance.random() < 0.5 else min(size, start + length)
    sheet.edit(start, end, b"\0" * length)
    return sheet.case(name)


@damage("a block repeated")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    start = chance.randrange(len(sheet.plain))
    block = sheet.plain[start : start + chance.choice([3, 20, 60])]
    at = chance.choice([start, start + len(block)])
    sheet.edit(at, at, block)
    return sheet.case(name)


def _gzip(plain: bytes) -> bytes:
    return gzip.compress(plain, mtime=0)


PACKS: tuple[Callable[[bytes], bytes], ...] = (bytes, bytes, _gzip)
"""One file in three is compressed."""


def _members(chance: random.Random, plain: bytes, padding: bytes = b"") -> bytes:
    cuts = sorted(chance.randint(0, len(plain)) for _ in range(chance.randint(1, 3)))
    parts = [plain[start:end] for start, end in itertools.pairwise([0, *cuts, len(plain)])]
    return padding.join(map(_gzip, parts))


@damage("gzip: several members")
def _(chance: random.Random, name: str) -> Case:
    return clean(chance).case(name, lambda plain: _members(chance, plain), suffix=chance.choice([".csv", ".csv.gz"]))


@damage("gzip: zeros between members")
def _(chance: random.Random, name: str) -> Case:
    zeros = b"\0" * chance.choice([786_432, 786_433, MEBIBYTE, 262_144])
    return clean(chance, records=20).case(name, lambda plain: _members(chance, plain, zeros))


@damage("gzip: a few zeros between or behind members")
def _(chance: random.Random, name: str) -> Case:
    zeros = b"\0" * chance.choice([1, 2, 511, 512, 10_240, 70_000])
    behind = chance.choice([b"", zeros])
    return clean(chance).case(name, lambda plain: _members(chance, plain, zeros) + behind)


@damage("gzip: cut")
def _(chance: random.Random, name: str) -> Case:
    # A cut between two members leaves a valid, shorter file; nobody can tell.
    before = chance.choice([b"", _gzip(b"")])

    def cut(plain: bytes) -> bytes:
        packed = _gzip(plain)
        return before + packed[: chance.randint(1, len(packed) - 1)]

    return clean(chance).case(name, cut, suffix=".csv.gz")


@damage("gzip: a byte changed")
def _(chance: random.Random, name: str) -> Case:
    def change(plain: bytes) -> bytes:
        packed = bytearray(_gzip(plain))
        packed[chance.randrange(len(packed))] ^= 1 << chance.randrange(8)
        return bytes(packed)

    return clean(chance).case(name, change, suffix=".csv.gz")


@damage("gzip: garbage behind")
def _(chance: random.Random, name: str) -> Case:
    garbage = chance.choice(
        [b"garbage", b"\x1f", b"\x1f\x8b", b"u9,1,1\n", b"\0" * 600 + b"x", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"]
    )
    unknown = Record(f"what is behind gzip's end: {garbage!r}")
    return clean(chance).case(name, lambda plain: _gzip(plain) + garbage, more=[unknown])


@damage("gzip: packed twice")
def _(chance: random.Random, name: str) -> Case:
    return clean(chance).case(name, lambda plain: _gzip(_gzip(plain)))


@damage("no CSV at all")
def _(chance: random.Random, name: str) -> Case:
    sheet = clean(chance)
    rows = [dict(zip(sheet.names, values, strict=True)) for values in sheet.values]
    texts = [
        repr(rows),
        "<table><tr><td>" + "</td></tr>\n<tr><td>".join(map(str, rows)) + "</td></tr></table>\n",
        "\n".join(map(str, rows)),
        "PK\x03\x04" + sheet.plain.decode(),
        "%PDF-1.7\n" + sheet.plain.decode(),
    ]
    raw = chance.choice([*(text.encode() for text in texts), chance.randbytes(3000), b"PAR1" + chance.randbytes(3000)])
    return Case(name, raw, (((Record(f"{name}: {raw[:20]!r}"),),),))
