"""Bookreport's tables and the books view: create, upgrade, and check that they match the code."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bookreport import catalogue
from bookreport.columns import NAMES, fold
from bookreport.database import Database, Transaction, query
from bookreport.errors import Configuration, WrongSchema
from bookreport.quoting import literal, quoted

log = logging.getLogger(__name__)

REPEATABLE = ("0004_catalogue.sql", "0005_states.sql", "0006_roles.sql")
"""The migrations that restore dropped views, functions and derived tables."""

NO_BOOKS_HINT = "create the books table (ISBN-10, Format, Language), then run bookreport migrate again"


@dataclass(frozen=True)
class Books:
    """The user's books table, and its names for the columns (`price`: None if it has none)."""

    table: str
    isbn10: str
    format: str
    language: str
    price: str | None

    @classmethod
    def recognise(cls, schema: str, name: str, columns: Sequence[str]) -> Books | None:
        """Return the books table with these columns, or None if an ISBN, a format or a language is missing."""
        by_fold = {fold(column): column for column in reversed(columns)}
        isbn10 = next((by_fold[name] for name in NAMES["isbn10"] if name in by_fold), None)
        if isbn10 is None or "format" not in by_fold or "language" not in by_fold:
            return None
        price = next((by_fold[name] for name in NAMES["unit_price"] if name in by_fold), None)
        return cls(f"{quoted(schema)}.{quoted(name)}", isbn10, by_fold["format"], by_fold["language"], price)


def migrations() -> Path:
    """Return the directory of the migrations: inside the package if installed from a wheel, beside `src` in a checkout."""
    package = Path(__file__).parent
    for folder in (package / "migrations", package.parents[1] / "migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise Configuration("the migrations are missing from the installation", hint="reinstall bookreport")


def newest_revision() -> str:
    """Return the revision that this code works with: the number that the last file of migrations/versions starts with."""
    return max(path.name for path in (migrations() / "versions").glob("[0-9]*.py")).split("_")[0]


def migrate(database: Database, books_table: str | None = None) -> str:
    """Create or upgrade bookreport's tables, the books view over the user's table, and the catalogue; return that table's name.

    `books_table`: the `schema.table` to use; else the one on the search path that has columns for ISBN, format and
    language, but an existing books view is left alone, since its function may have been edited in SQL.
    Raises Configuration if there is no such table, or several, or it can't be read; everything else is created then.
    """
    with database.transaction(search_path="") as transaction:
        transaction.wait_for_migration(database.schema)
        if not transaction.rows("schema/exists", schema=database.schema):
            transaction.script(f"create schema {quoted(database.schema)}")
    with database.transaction() as transaction:
        transaction.wait_for_migration(database.schema)
        _upgrade(transaction)
        installed = transaction.one("schema/installed")
        if not installed.is_whole:
            for name in REPEATABLE:
                transaction.script((migrations() / "versions" / name).read_text(encoding="utf-8"))
            books_table = books_table or installed.books
        transaction.script(query("schema/grant"))
    _find_books(database, books_table)
    require_books(database)
    if warning := foreign_code(database):
        log.warning("%s; see Roles in the README", warning)
    catalogue.refresh(database)
    with database.transaction(snapshot=True) as transaction:
        return str(transaction.one("schema/installed").books)


def require(database: Database, *, books: bool = True) -> None:
    """Raise Configuration unless the tables have this code's revision and (`books`) the books can be read."""
    require_revision(database)
    if books:
        require_books(database)


def require_revision(database: Database) -> str:
    """Return the revision of the tables; raises Configuration unless it is this code's."""
    try:
        with database.transaction(snapshot=True) as transaction:
            installed = transaction.row("schema/installed")
    except WrongSchema as error:
        raise Configuration(
            f"bookreport's tables are not in schema {database.schema!r} of this database", hint="run: bookreport migrate"
        ) from error
    revision, newest = installed.revision if installed else None, newest_revision()
    if revision is None or revision < newest:
        raise Configuration(
            f"the tables are of revision {revision or 'none'}, this bookreport wants {newest}", hint="run: bookreport migrate"
        )
    if revision > newest:
        raise Configuration(
            f"the tables have revision {revision}, newer than this bookreport's {newest}", hint="upgrade bookreport"
        )
    return str(revision)


def require_books(database: Database) -> str:
    """Return the name of the user's books table; raises Configuration if the books can't be read from it."""
    with database.transaction(snapshot=True) as transaction:
        installed = transaction.one("schema/installed")
    if not installed.is_whole:
        raise Configuration("the catalogue or a view is missing from bookreport's schema", hint="run: bookreport migrate")
    if not installed.books:
        raise Configuration("bookreport migrate found no books table", hint=NO_BOOKS_HINT)
    table = str(installed.books).replace('"', "")
    try:
        with database.quarantine() as transaction:
            transaction.rows("schema/books_readable")
    except WrongSchema as error:
        raise Configuration(
            f"can't read the books from {table} any more: {error.message.removeprefix('Postgres: ')}",
            hint=f"restore the table, or name the new one, as in bookreport migrate --books {table}",
        ) from error
    return table


def foreign_code(database: Database) -> str | None:
    """Return a warning if whoever owns the books can have functions run with this role's rights; None if they can't."""
    with database.transaction(snapshot=True) as transaction:
        found = transaction.row("schema/foreign_code")
    if found is None:
        return None
    return (
        f"the books are {found.kind} of role {found.owner}, whose functions run with the rights of {found.runs_as}"
        " whenever the books are read"
    )


def _upgrade(transaction: Transaction) -> None:
    # Alembic takes a quarter of a second to import, and only this command needs it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = transaction.connection
    with transaction.translated():
        command.upgrade(config, "head")


def _find_books(database: Database, books_table: str | None) -> None:
    with database.transaction(snapshot=True) as transaction:
        installed = transaction.row("schema/installed")
    if installed is not None and installed.books and books_table is None:
        return
    with database.transaction(snapshot=True, search_path="") as transaction:
        if books_table is not None:
            found = transaction.rows("schema/books_table", table=books_table)
            if not found:
                raise Configuration(f"there is no table {books_table}", hint="write it like --books schema.table")
        else:
            found = transaction.rows("schema/books_candidates", schema=database.schema)
    candidates = [books for row in found if (books := Books.recognise(row.schema, row.name, row.columns))]
    if not candidates and books_table is not None:
        raise Configuration(
            f"{books_table} has no columns for ISBN, format and language; it has: {', '.join(found[0].columns)}",
            hint="name the table that has them: bookreport migrate --books schema.table",
        )
    if not candidates:
        raise Configuration(
            "bookreport's tables are ready, but no table on the search path has columns ISBN-10, Format and Language",
            hint=NO_BOOKS_HINT,
        )
    if len(candidates) > 1:
        names = ", ".join(books.table.replace('"', "") for books in candidates)
        raise Configuration(
            f"several tables have columns for ISBN, format and language: {names}",
            hint="choose one: bookreport migrate --books schema.table",
        )
    _make_books(database, candidates[0])


def _make_books(database: Database, books: Books) -> None:
    price = "null::numeric"
    if books.price is not None:
        # Not every price column is numeric, and a price that is not a number must not break a report.
        price = (
            f"case when {quoted(books.price)}::text ~ '^ *[0-9]+([.][0-9]*)? *$' then {quoted(books.price)}::text::numeric end"
        )
    body = (
        f"select {quoted(books.isbn10)}::text, {quoted(books.format)}::text, {quoted(books.language)}::text,\n"
        f"    {price}\nfrom {books.table}"
    )
    with database.transaction() as transaction:
        # Two migrations at once would create the function at once, which Postgres does not allow.
        transaction.wait_for_migration(database.schema)
        # A string body records no dependency on the table: its owner may drop it and create it anew.
        transaction.script(
            "create or replace function books_rows() returns table (isbn10 text, format text, language text, price numeric)\n"
            f"language sql stable parallel safe as {literal(body)}"
        )
        transaction.script(f"comment on function books_rows() is {literal(books.table)}")
