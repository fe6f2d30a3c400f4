"""What a command uses apart from the bucket: its settings, the log, the database."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from bookreport import logs, schema
from bookreport.commands.options import CommonOptions
from bookreport.database import Database
from bookreport.patience import Patience
from bookreport.settings import Settings
from bookreport.signals import interruptible

Each = TypeVar("Each")


class Session:
    """One running command: it knows its settings, and logs to stderr as the common options say.

    Raises Configuration if a named env file can't be read.
    """

    def __init__(self, options: CommonOptions) -> None:
        self.quiet = options.quiet
        self.verbose = options.verbose
        self._has_sentences = options.log_format == "text"
        self.log = logs.StderrHandler(as_json=options.log_format == "json")
        logs.set_up(self.log, quiet=options.quiet, verbose=options.verbose)
        self.settings = Settings.load(options.env_file)

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Yield the database; SIGINT and SIGTERM abort its work. Raises Configuration if a setting is missing."""
        self.settings.require(database=True)
        database = Database(self.settings.database_url, self.settings.schema, self.settings.of_database)
        try:
            with interruptible(database.cancel):
                yield database
        finally:
            database.close()

    @contextmanager
    def migrated(self, *, books: bool = True, patience: Patience | None = None) -> Iterator[Database]:
        """Yield the database; raises Configuration unless its tables match the code and (`books`) the books can be read."""
        with self.database() as database:
            (patience or Patience()).outlast(lambda: schema.require(database, books=books))
            yield database

    @property
    def is_watched(self) -> bool:
        """Whether somebody reads the log on a terminal as it is written."""
        return self._has_sentences and not self.quiet and sys.stderr.isatty()

    def has_bar(self, total: int) -> bool:
        """Return whether `progress` of so many has a bar."""
        return self.is_watched and total > 1

    def progress(self, done: Iterable[Each], total: int, description: str) -> Iterable[Each]:
        """Pass on what is `done` of `total`, with a bar if somebody watches a number of them; what is logged goes above it."""
        if not self.has_bar(total):
            yield from done
            return
        # Rarely needed, and slow to import.
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True, markup=False, highlight=False, emoji=False)
        plain = self.log.write
        with Progress(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            self.log.write = partial(console.print, end="", soft_wrap=True)
            try:
                yield from bar.track(done, total=total, description=description)
            finally:
                self.log.write = plain
