"""Every failure by name, with its exit code, its kind and a hint."""

from __future__ import annotations

from typing import Self


class BookreportError(Exception):
    """Something unexpected; the base of every failure that bookreport tells by name.

    The class decides `exit_code` and `kind`, as scripts and the JSON of an error know them, and whether it `stops_run`: after
    it no further hour is begun. `message` says what happened and where; `hint` what to do next; `hour` is set where the
    failure belongs to one hour (RFC 3339, UTC).
    """

    exit_code = 1
    kind = "error"
    stops_run = False

    def __init__(self, message: str, *, hint: str | None = None, hour: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.hour = hour

    def alone(self) -> Self:
        """Return the error without what led to it, so that who keeps it keeps no frames, and no file's bytes in them."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class Usage(BookreportError):
    """The command line asks for something that makes no sense; nothing was contacted."""

    exit_code = 2
    kind = "usage"


class NotReady(BookreportError):
    """The partition is absent or has no marker, or the span is not complete."""

    exit_code = 3
    kind = "not-ready"


class BadData(BookreportError):
    """The hour is complete but was refused; nothing of it changed."""

    exit_code = 4
    kind = "bad-data"


class ChangedWhileLoading(BadData):
    """The partition's files changed between listing and commit; the next run retries it."""


class TooManyRejects(BadData):
    """More records of an hour were set aside than its limit allows; `rejects` are the first of them, for the ledger."""

    def __init__(self, message: str, rejects: list[dict[str, object]], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rejects = rejects

    def alone(self) -> Self:
        """Return the error also without its rejects, which the ledger has by then."""
        self.rejects = []
        return super().alone()


class CopyRefused(BadData):
    """COPY refused a file; `line` is the physical line of the stream that COPY got, counted from 1."""

    def __init__(self, message: str, *, line: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.line = line


class Temporary(BookreportError):
    """S3 or Postgres is out of reach or out of room, after retries."""

    exit_code = 5
    kind = "temporary"
    stops_run = True


class Unreadable(Temporary):
    """One object can't be read although its store answers; that is no matter of the other hours."""

    stops_run = False


class CommitUnknown(Temporary):
    """The connection was lost while committing: the commit may have happened or not."""


class Configuration(BookreportError):
    """A setting is missing or wrong, access was refused, or the schema is not the code's."""

    exit_code = 6
    kind = "config"
    stops_run = True


class WrongSchema(Configuration):
    """The database knows no such table, column or function: bookreport's own, or the user's books."""


class Locked(BookreportError):
    """Another run holds the hour, or a lock did not come within its time."""

    exit_code = 7
    kind = "locked"


class Interrupted(BaseException):
    """SIGINT or SIGTERM came; everything of the hour in work was rolled back.

    It is no Exception, as KeyboardInterrupt is none: botocore would take it for a broken connection, and try again.
    """

    kind = "interrupted"
    message = "interrupted; the hour in progress was rolled back"
    hint = "run the command again to continue"
    hour = None

    def __init__(self, signal_number: int) -> None:
        super().__init__(self.message)
        self.exit_code = 128 + signal_number


GRAVITY = (6, 1, 5, 4, 7, 3)
"""Exit codes of a run over several hours: the first of these that occurred is the run's."""


def gravest(errors: list[BookreportError]) -> int:
    """Return the exit code of a run whose hours ended with `errors`: 0 where there are none."""
    codes = {error.exit_code for error in errors}
    return next((code for code in GRAVITY if code in codes), max(codes, default=0))
