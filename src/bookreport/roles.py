"""Who may do what in the database: the SQL that tells which role has which duty."""

from __future__ import annotations

from dataclasses import dataclass

from bookreport.database import query
from bookreport.errors import Usage
from bookreport.quoting import literal


@dataclass(frozen=True)
class Roles:
    """The roles by duty: `owner` migrates and prunes, `loader` loads, `reader` reports, `books` reads the books."""

    owner: str
    loader: str
    reader: str
    books: str

    def __post_init__(self) -> None:
        names = (self.owner, self.loader, self.reader, self.books)
        if len(set(names)) < len(names):
            raise Usage("a role has two duties", hint="give --owner, --loader, --reader and --books-role a role each")


def script(roles: Roles, database_schema: str, books_table: str) -> str:
    """Return SQL for a superuser that makes `roles` known, so that the owner's next `bookreport migrate` grants their rights.

    It may be run any number of times; if a statement fails, it changes nothing. `books_table` is schema.table.
    """
    settings = {
        "schema": database_schema,
        "owner": roles.owner,
        "loader": roles.loader,
        "reader": roles.reader,
        "books": roles.books,
        "books_table": books_table,
    }
    return "\n".join(
        [
            "begin;",
            "set local search_path = pg_catalog;",
            *(f"set local bookreport.{name} = {literal(value)};" for name, value in settings.items()),
            f"{query('roles/roles').rstrip()};",
            "commit;",
        ]
    )
