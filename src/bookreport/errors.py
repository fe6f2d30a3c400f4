"""Every failure by name, with its exit code, its kind and a hint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from bookreport.messages import sentence


class BookreportError(Exception):
    """Something unexpected; the base of every failure that bookreport reports by name.

    The class decides `exit_code` and `kind`, which scripts and an error's JSON show, and whether it `stops_run`: no further
    hour is begun after it. `message` says what happened and where, `hint` what to do next; `hour` is set if the failure
    belongs to one hour (RFC 3339, UTC). Both texts are fit to be printed and kept, whoever worded them (`messages.sentence`).
    Where there are `details`, a line for each, and a `headline`, these are for people in the message's place.
    """

    headline: str | None = None
    details: Sequence[str] = ()
    exit_code = 1
    kind = "error"
    stops_run = False

    def __init__(self, message: str, *, hint: str | None = None, hour: str | None = None) -> None:
        self.message = message
        self.hint = hint and sentence(hint)
        self.hour = hour
        super().__init__(self.message)

    @property
    def message(self) -> str:
        return self._message

    @message.setter
    def message(self, message: str) -> None:
        self._message = sentence(message)

    def alone(self) -> Self:
        """Return the error without its causes, so that keeping it keeps no frames, and no file's bytes in them."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self


class Usage(BookreportError):
    """The command line makes no sense, or lacks a confirmation; nothing was changed."""

    exit_code = 2
    kind = "usage"


class NotReady(BookreportError):
    """The partition is missing or has no marker, or the span is not complete."""

    exit_code = 3
    kind = "not-ready"


class BadData(BookreportError):
    """The hour is complete but was refused; nothing of it changed."""

    exit_code = 4
    kind = "bad-data"


class ChangedWhileLoading(BadData):
    """The partition's files changed between listing and commit; the next run retries it."""


class TooManyRejects(BadData):
    """More records of an hour were set aside than its limit allows.

    `rejects` holds the first of them, for the ledger. `kinds` says of each kind how many there are, and where one is: the
    message does too, and `details` also quotes it. A message is kept, and `erase` finds in it only what is between quotes.
    """

    def __init__(
        self, headline: str, kinds: Sequence[str], details: Sequence[str], rejects: list[dict[str, object]], *, hint: str
    ) -> None:
        super().__init__(f"{headline}: {'; '.join(kinds)}", hint=hint)
        self.headline = headline
        self.details = details
        self.rejects = rejects

    def alone(self) -> Self:
        """Return the error without its rejects too, which the ledger has by then."""
        self.rejects = []
        return super().alone()


class CopyRefused(BadData):
    """COPY refused a file; `line` is the physical line of the stream that COPY read, counted from 1."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Temporary(BookreportError):
    """S3 or Postgres is unreachable or out of space, after retries."""

    exit_code = 5
    kind = "temporary"
    stops_run = True


class Unreadable(Temporary):
    """One object can't be read although its store answers; other hours are not affected."""

    stops_run = False


class CommitUnknown(Temporary):
    """The connection was lost during the commit, which may have happened or not."""


class Configuration(BookreportError):
    """A setting is missing or wrong, access was denied, or the schema does not match the code."""

    exit_code = 6
    kind = "config"
    stops_run = True


class WrongSchema(Configuration):
    """The database lacks a table, column or function: bookreport's own, or the user's books."""


class Locked(BookreportError):
    """Another run holds the hour, or a lock was not granted in time; `holder` says who holds it, if that is known."""

    exit_code = 7
    kind = "locked"

    def __init__(self, message: str, *, hint: str | None = None, hour: str | None = None, holder: str | None = None) -> None:
        super().__init__(f"{message} ({holder})" if holder else message, hint=hint, hour=hour)
        self.holder = holder


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived; everything of the hour in progress was rolled back.

    Like KeyboardInterrupt it is no Exception: botocore would take one for a broken connection, and retry.
    """

    kind = "interrupted"
    message = "interrupted; the hour in progress was rolled back"
    hint = "run the command again to continue"
    hour = None

    def __init__(self, signal_number: int) -> None:
        super().__init__(self.message)
        self.exit_code = 128 + signal_number


GRAVITY = (6, 1, 5, 4, 7, 3)
"""Exit codes of a run over several hours, most serious first: the first that occurred is the run's."""


def gravest(errors: list[BookreportError]) -> int:
    """Return the exit code of a run whose hours ended with `errors`; 0 if there are none."""
    codes = {error.exit_code for error in errors}
    return next((code for code in GRAVITY if code in codes), max(codes, default=0))
