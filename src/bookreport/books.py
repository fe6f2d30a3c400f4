"""The user's books table: which of a database's tables it is, and what to do if none has the columns."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bookreport.columns import NAMES, fold
from bookreport.database import Database, Transaction
from bookreport.errors import Configuration
from bookreport.quoting import quoted

REQUIRED = {"isbn10": "ISBN-10", "format": "Format", "language": "Language"}
"""The columns that a books table must have, and their names in messages."""

_KNOWN = {"isbn10": NAMES["isbn10"], "format": ("format",), "language": ("language",), "price": NAMES["unit_price"]}
_LIKELY = {
    "language": ("lang", "tongue"),
    "isbn10": ("isbn", "asin", "code", "ean"),
    "format": ("format", "binding", "cover", "medium", "media", "edition", "type"),
}
"""What the name of a column may contain that holds a book's language, ISBN or format, the likeliest first."""


@dataclass(frozen=True)
class Books:
    """A table or view: `table` is its quoted name, `title` that for people; `columns` are those known by their names."""

    schema: str
    name: str
    title: str
    names: tuple[str, ...]
    columns: Mapping[str, str]

    @classmethod
    def of(cls, row: Any) -> Books:
        """Return the table of a row of `candidates` or `named`."""
        by_fold = {fold(name): name for name in reversed(row.columns)}
        found = {column: [by_fold[name] for name in known if name in by_fold] for column, known in _KNOWN.items()}
        columns = {column: names[0] for column, names in found.items() if names}
        return cls(row.schema, row.name, row.title, tuple(row.columns), columns)

    @property
    def table(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def missing(self) -> list[str]:
        """The columns that it would need to be the books table."""
        return [column for column in REQUIRED if column not in self.columns]

    def guessed(self) -> dict[str, str]:
        """Return its columns, with guesses from their names for the missing ones."""
        columns = dict(self.columns)
        for column, words in _LIKELY.items():
            free = [name for name in self.names if name not in columns.values()]
            likely = [name for word in words for name in free if word in fold(name)]
            if column not in columns and likely:
                columns[column] = likely[0]
        return columns


def find(database: Database, table: str | None) -> Books:
    """Return the books table: `table`, or else the one on the search path that has the columns.

    Raises Configuration, with what to do, if there is none, or several.
    """
    with database.transaction(snapshot=True, search_path="") as transaction:
        rows = transaction.rows("books/candidates", schema=database.schema)
        tables = [Books.of(row) for row in rows]
        found = [books for row, books in zip(rows, tables, strict=True) if row.is_on_path]
        if table is not None:
            found = [Books.of(row) for row in transaction.rows("books/named", table=table)]
        whole = [books for books in found if not books.missing]
        if len(whole) == 1:
            return whole[0]
        if whole:
            names = [books.title for books in whole]
            raise Configuration(
                f"several tables have columns for ISBN, format and language: {', '.join(names)}",
                hint=f"choose one, as in bookreport migrate --books {shlex.quote(names[0])}",
            )
        if table is None:
            told = "bookreport's tables are ready, but no table on the search path has columns ISBN-10, Format and Language"
            raise Configuration(told, hint=_choose(transaction, tables))
        if not found:
            raise Configuration(f"there is no table {table}", hint=_choose(transaction, tables))
        lacking = " or ".join(REQUIRED[column] for column in found[0].missing)
        told = f"{found[0].title} has no column named {lacking}; it has: {', '.join(found[0].names)}"
        raise Configuration(told, hint=_make_view(transaction, found[0]))


def _choose(transaction: Transaction, tables: list[Books]) -> str:
    """Return what to do: name a table that has the columns, or make a view of the one that is most like it."""
    whole = [books.title for books in tables if not books.missing]
    if whole:
        return f"name the books table, as in bookreport migrate --books {shlex.quote(whole[0])}"
    likely = [books for books in tables if books.guessed().keys() >= {"isbn10", "language"}]
    if likely:
        return _make_view(transaction, max(likely, key=lambda books: len(books.guessed())))
    return "create the books table (ISBN-10, Format, Language), then run: bookreport migrate"


def _make_view(transaction: Transaction, books: Books) -> str:
    """Return what to do: make a view of the table, under the names of columns that are known."""
    guessed = books.guessed()
    yours = {column: f"YOUR_{column.upper()}" for column in REQUIRED if column not in guessed}
    names = {column: (guessed | yours)[column] for column in _KNOWN if column in guessed | yours}
    view = transaction.one(
        "books/view", schema=books.schema, table=books.name, columns=list(names.values()), meanings=list(names)
    )
    more = f" (with your name for {' and '.join(yours.values())})" if yours else ""
    return f"make a view that has them{more}: {view.made}; then run: bookreport migrate --books {shlex.quote(view.name)}"
