"""A connection to the test's database, independent of bookreport's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2

Sql = Callable[..., list[tuple[Any, ...]]]


@contextmanager
def connected(url: str) -> Iterator[Sql]:
    """Give a function that runs a statement in a transaction of its own and returns its rows."""
    connection = psycopg2.connect(url)
    connection.autocommit = True

    def sql(statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    try:
        sql("set time zone 'UTC'")
        sql("set search_path to bookreport, public")
        yield sql
    finally:
        connection.close()
