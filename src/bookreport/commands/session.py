"""What a command works with that needs no bucket: its settings, the log, the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bookreport import logs, schema
from bookreport.commands.options import CommonOptions
from bookreport.database import Database
from bookreport.settings import Settings
from bookreport.signals import interruptible


class Session:
    """One command at work: by its common options it logs to stderr, and knows its settings.

    Making one raises Configuration when a named env file can't be read.
    """

    def __init__(self, options: CommonOptions) -> None:
        self.quiet = options.quiet
        self.log = logs.StderrHandler(as_json=options.log_format == "json")
        logs.set_up(self.log, quiet=options.quiet, verbose=options.verbose)
        self.settings = Settings.load(options.env_file)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Give the database; SIGINT and SIGTERM end what it is at. Raises Configuration when a setting is missing."""
        self.settings.require(database=True)
        database = Database(self.settings.database_url, self.settings.schema)
        try:
            with interruptible(database.cancel):
                yield database
        finally:
            database.close()

    @contextmanager
    def migrated(self, *, books: bool = True) -> Iterator[Database]:
        """Give the database; raises Configuration unless its tables are this code's and (`books`) the books can be read."""
        with self.database() as database:
            schema.require(database, books=books)
            yield database
