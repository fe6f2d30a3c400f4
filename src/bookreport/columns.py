"""The columns of a file: which name in its header means which column of purchases."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
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
        "orderedat",
        "orderdate",
        "soldat",
        "boughtat",
    ),
}
"""For each column of purchases, the names understood, folded; the first is the canonical one.

Of purchase times the earlier in the list wins: a name put before others would change how old files are read.
"""

_KNOWN: dict[str, list[tuple[str, int]]] = {}
for _column, _names in NAMES.items():
    for _rank, _name in enumerate(_names):
        _KNOWN.setdefault(_name, []).append((_column, _rank))

REQUIRED = ("user_id", "isbn10")
MOST_COLUMNS = 1600
"""Maximum number of columns of a file, as of a Postgres table (manual, appendix K)."""

ROOM_IN_A_ROW = 7_850
"""Bytes that the values of a row of Postgres may need: it must fit into a page of 8,192, and needs up to 300 for itself."""

LONGEST_IN_A_ROW, POINTER = 24, 18
"""Bytes of the longest value that must be in the row; any other can be stored outside, and a pointer in the row (TOAST)."""

COPIES_OR_MONEY = ("value", "amount")
LOOK_LIKE = {
    "quantity": {"quantity", "qty", "copies", "units", "pieces", "pcs"},
    "unit_price": {"price", "cost", "paid", "revenue", "total", "value", "amount"},
}
"""Words in an unknown column's name that suggest copies, or money."""

# An ISBN, perhaps without its leading zeros or glued to a name, a time, or an amount of money; not a year, since pandas
# may name a column after one.
VALUE = re.compile(r".*[0-9]{9}.*|[0-9]{7,8}|[0-9]{8}t[0-9:.]+z?|[0-9]+[.,][0-9]+", re.DOTALL)
_INSIGNIFICANT = re.compile(r"[\s_\-\u2010-\u2015]+")


def fold(name: str) -> str:
    """Return the form in which column names are compared: case, spaces, `-` and `_` don't count."""
    return _INSIGNIFICANT.sub("", name.replace("\ufeff", "")).casefold()


@dataclass(frozen=True)
class Reading:
    """What each column of a file was taken for.

    `header`: the names as the file has them. `columns`: the position of each column of purchases that the file has.
    `extra`: the position of each unknown column, by the name it is kept under. `dropped`: positions that are left out.
    `priced`: False if the catalogue's price has to be used.
    """

    header: tuple[str, ...]
    columns: Mapping[str, int]
    extra: Mapping[str, int] = field(default_factory=dict)
    dropped: tuple[int, ...] = ()

    @property
    def priced(self) -> bool:
        return "unit_price" in self.columns or "sale_value" in self.columns

    @property
    def shortest_row(self) -> int:
        """Bytes of the shortest good record: a user, an ISBN, a price if the file has one, the commas, and the line end."""
        return len(self.header) + len(REQUIRED) + self.priced

    @property
    def may_not_fit(self) -> bool:
        """Whether there are so many columns that their values may not fit into a row of Postgres."""
        return len(self.header) * LONGEST_IN_A_ROW > ROOM_IN_A_ROW

    @property
    def direct(self) -> bool:
        """Whether the file's bytes can go straight into purchase_rows."""
        return self.priced and not self.extra and not self.dropped

    @property
    def names(self) -> dict[str, str]:
        """For each column of purchases, the file's own name for it."""
        return {column: self.header[position] for column, position in self.columns.items()}

    @property
    def ignored(self) -> list[str]:
        return [self.header[position] for position in self.dropped]

    def as_json(self) -> dict[str, object]:
        """The reading as stored in the ledger."""
        return {
            "columns": self.names,
            "extra": list(self.extra),
            "ignored": self.ignored,
            "places": dict(self.columns),
            "width": len(self.header),
        }


class NoColumn(BadData):
    """A required column is not in the header."""


class Columns:
    """How headers are read: by the names in NAMES, and by the user's own settings.

    `declared`: BOOKREPORT_COLUMNS, such as `user_id=client no,isbn10=code`; `#3` instead of a name is the third column, and
    `extra=NAME` says that a column is none of these. `header`: BOOKREPORT_HEADER, the columns of files without a header
    line. Raises Configuration if either makes no sense.
    """

    def __init__(self, declared: str | None = None, header: str | None = None) -> None:
        self._declared: dict[str, str] = {}
        self._unknown: set[str] = set()
        for item in _items("BOOKREPORT_COLUMNS", declared) if declared else []:
            column, equals, name = item.partition("=")
            if column.strip() not in (*NAMES, "extra") or not equals or not fold(name):
                raise Configuration(
                    f"BOOKREPORT_COLUMNS: {item.strip()!r} is not COLUMN=NAME; the columns are {', '.join(NAMES)}, extra",
                    hint="write it like BOOKREPORT_COLUMNS='user_id=client no,isbn10=code'",
                )
            if column.strip() == "extra":
                self._unknown.add(fold(name))
            else:
                self._declared[column.strip()] = fold(name)
        self.given: Reading | None = None
        if header:
            try:
                self.given = self.read(_items("BOOKREPORT_HEADER", header))
            except BadData as error:
                raise Configuration(f"BOOKREPORT_HEADER: {error.message}", hint=error.hint) from error

    def read(self, header: Sequence[str]) -> Reading:
        """Return what each column of a file with this `header` is taken for.

        Raises BadData if a required column is missing, if two columns have the same claim to a user, an ISBN, a quantity or
        money, if `amount` or `value` appears beside a price and could be copies or money, or if there are too many columns.
        """
        if len(header) > MOST_COLUMNS:
            raise BadData(
                f"{len(header):,} columns in the header {shown(header)}; the limit is {MOST_COLUMNS:,}",
                hint="check that it is a CSV file of purchases; write fewer columns",
            )
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
            raise NoColumn(
                f"no column for {' and '.join(missing)} in the header {shown(header)}",
                hint=f"recognised are {understood} (ignoring case, spaces, - and _); for another name, set"
                f" BOOKREPORT_COLUMNS='{','.join(f'{column}=NAME' for column in missing)}';"
                " if the files have no header line, set BOOKREPORT_HEADER",
            )
        self._refuse_values(columns, header)
        self._refuse_lookalikes(columns, header)
        taken = set(columns.values())
        dropped = tuple(p for p in (0,) if p not in taken and folded and folded[0] in ("", "unnamed:0"))
        return Reading(tuple(header), columns, self._extra(header, taken | set(dropped)), dropped)

    @property
    def known(self) -> frozenset[str]:
        """The names, folded, that mean a column of purchases."""
        return frozenset((*_KNOWN, *self._declared.values()))

    def reads_as_header(self, fields: Sequence[str], *, behind_other: bool = False) -> bool:
        """Return whether a record names columns of purchases: a user and an ISBN, or two that make up most of its fields.

        `behind_other`: whether any of its ends does, behind at least one other field.
        """
        folded = [name for name in map(fold, fields[behind_other:]) if name]
        declared = self._declared_for(folded, by_position=False)
        named: set[str] = set()
        for length, position in enumerate(reversed(range(len(folded))), 1):
            named.update(column for column, _ in _KNOWN.get(folded[position], ()))
            if position in declared:
                named.add(declared[position])
            if (behind_other or position == 0) and len(named) >= 2 and (named >= set(REQUIRED) or 2 * len(named) > length):
                return True
        return False

    def _declared_for(self, folded: Sequence[str], *, by_position: bool = True) -> dict[int, str]:
        """Return which column of purchases each position of a header was declared to be."""
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
            names = " and ".join(repr(header[p]) for p in rivals[:3])
            alike = len({fold(header[p]) for p in rivals}) < len(rivals)
            which = f"#{rivals[0] + 1}" if alike else header[rivals[0]]
            raise BadData(
                f"{names} could both be {column} in the header {shown(header)}",
                hint=f"choose one: BOOKREPORT_COLUMNS='{column}={which}'",
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
                hint=f"say which: BOOKREPORT_COLUMNS='quantity={name}' or 'sale_value={name}'",
            )

    def _refuse_lookalikes(self, columns: dict[str, int], header: Sequence[str]) -> None:
        """Refuse to assume 1 copy, or the catalogue's price, if an unknown column seems to hold the real one."""
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
                    what = "a number of copies" if column == "quantity" else "a price"
                    raise BadData(
                        f"{name!r} looks like {what} but is not a recognised name, in the header {shown(header)}",
                        hint=f"set BOOKREPORT_COLUMNS='{column}={name}', or 'extra={name}' if it is not",
                    )

    def _refuse_values(self, columns: dict[str, int], header: Sequence[str]) -> None:
        """Refuse a header that has swallowed a sale because its line end is missing."""
        for position, name in enumerate(header):
            if VALUE.fullmatch(fold(name)) and position not in columns.values() and fold(name) not in self._unknown:
                raise BadData(
                    f"{name!r} looks like a value, not a column name, in the header {shown(header)}",
                    hint=f"is the header's line end missing? If it is a name: BOOKREPORT_COLUMNS='extra={name.strip()}'",
                )

    @staticmethod
    def _extra(header: Sequence[str], taken: set[int]) -> dict[str, int]:
        extra: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for position, name in enumerate(header):
            if position not in taken:
                unique = own = name.strip() or f"column {position + 1}"
                while unique in extra:
                    numbers[own] = numbers.get(own, 1) + 1
                    unique = f"{own} ({numbers[own]})"
                extra[unique] = position
        return extra


def _items(setting: str, text: str) -> list[str]:
    """Return the fields of a setting that is written like a line of CSV."""
    try:
        return next(csv.reader([text]))
    except csv.Error as error:
        raise Configuration(f"{setting}: {error}", hint="write it in one line, like that of a CSV file") from error


def shown(header: Sequence[str]) -> str:
    """Return a header for a message: its names in order, cut to a readable length."""
    line = ", ".join(repr(name) for name in header)
    return f"[{line[:300]}{'…' if len(line) > 300 else ''}]"
