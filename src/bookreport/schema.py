"""Bookreport's tables and the books view: create, upgrade, and check that they match the code."""

from __future__ import annotations

import logging
import re
import shlex
from pathlib import Path

from bookreport import books, catalogue
from bookreport.books import Books
from bookreport.database import Database, Transaction, query
from bookreport.errors import Configuration, WrongSchema
from bookreport.quoting import literal, quoted

log = logging.getLogger(__name__)

REPEATABLE = ("0004_catalogue.sql", "0005_states.sql", "0006_roles.sql", "0007_days.sql")
"""The migrations that restore dropped views, functions and derived tables."""


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
    Raises Configuration if there is no such table, or several, or it can't be read; everything else is created then. Also if
    the schema has somebody else's tables by bookreport's names, tables of a newer bookreport, or lost some: nothing is changed.
    """
    with database.transaction() as transaction:
        transaction.wait_for_migration(database.schema)
        if not transaction.rows("schema/exists", schema=database.schema):
            transaction.script(f"create schema {quoted(database.schema)}")
        _require_own(transaction, database.schema)
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
            where = f"schema {database.schema!r} of database {transaction.database_name!r}"
            installed = transaction.row("schema/installed")
    except WrongSchema as error:
        raise Configuration(f"bookreport's tables are not in {where}", hint="run: bookreport migrate") from error
    revision, newest = installed.revision if installed else None, newest_revision()
    if revision is None or not revision.isdecimal() or revision < newest:
        raise Configuration(
            f"the tables are of revision {revision or 'none'}, this bookreport wants {newest}", hint="run: bookreport migrate"
        )
    _require_not_newer(revision)
    return str(revision)


def _require_own(transaction: Transaction, schema: str) -> None:
    """Raise Configuration unless the schema is free for bookreport's tables, or has them and they can be upgraded."""
    own = transaction.rows("schema/own", schema=schema)
    taken = [row.name for row in own if row.is_there]
    if not taken:
        return
    if "loading_hour" not in taken:
        raise Configuration(
            f"schema {schema!r} has somebody else's {', '.join(taken)}; nothing was changed",
            hint="set BOOKREPORT_SCHEMA to a schema of bookreport's own",
        )
    lost = [row.name for row in own if row.kept and not row.is_there]
    installed = None if lost else transaction.row("schema/installed")
    revision = installed.revision if installed else None
    if revision is None or not revision.isdecimal():
        raise Configuration(
            f"schema {schema!r} has lost {', '.join(lost) or 'the revision in alembic_version'}, which can't be made anew",
            hint=f"restore the whole schema from a backup, such as pg_dump --schema={schema} writes",
        )
    _require_not_newer(revision)


def _require_not_newer(revision: str) -> None:
    newest = newest_revision()
    if revision > newest:
        raise Configuration(
            f"the tables have revision {revision}, newer than this bookreport's {newest}", hint="upgrade bookreport"
        )


def require_books(database: Database) -> str:
    """Return the name of the user's books table; raises Configuration if the books can't be read from it."""
    with database.transaction(snapshot=True) as transaction:
        installed = transaction.one("schema/installed")
    if not installed.is_whole:
        raise Configuration("the catalogue or a view is missing from bookreport's schema", hint="run: bookreport migrate")
    if not installed.books:
        raise Configuration("no books table was found", hint="run: bookreport migrate")
    table = str(installed.books).replace('"', "")
    named = table if re.fullmatch("[a-z0-9_.]+", table) else shlex.quote(installed.books)
    try:
        with database.quarantine() as transaction:
            transaction.rows("schema/books_readable")
    except WrongSchema as error:
        raise Configuration(
            f"can't read the books from {table} any more: {error.message.removeprefix('Postgres: ')}",
            hint=f"restore it; or, if it was changed or replaced, this says what to do: bookreport migrate --books {named}",
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
    _make_books(database, books.find(database, books_table))


def _make_books(database: Database, found: Books) -> None:
    columns = {column: f"{quoted(name)}::text" for column, name in found.columns.items()}
    price = "null::numeric"
    if "price" in columns:
        # Not every price column is numeric, and a price that is not a number must not break a report.
        price = f"case when {columns['price']} ~ '^ *[0-9]+([.][0-9]*)? *$' then {columns['price']}::numeric end"
    body = f"select {columns['isbn10']}, {columns['format']}, {columns['language']},\n    {price}\nfrom {found.table}"
    with database.transaction() as transaction:
        # Two migrations at once would create the function at once, which Postgres does not allow.
        transaction.wait_for_migration(database.schema)
        # A string body records no dependency on the table: its owner may drop it and create it anew.
        transaction.script(
            "create or replace function books_rows() returns table (isbn10 text, format text, language text, price numeric)\n"
            f"language sql stable parallel safe as {literal(body)}"
        )
        transaction.script(f"comment on function books_rows() is {literal(found.table)}")
