"""Where a command's result goes: stdout, a file, or a device."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bookreport.errors import Configuration
from bookreport.hours import Hour

HOUR_IN_NAME = "{hour}"
"""The placeholder for the hour in the name of a file per hour."""

STDOUT, _STREAMS = ("-", "/dev/stdout"), ("/dev/stderr", "/dev/fd/", "/proc/")
"""Names of stdout, and of whatever else is already open: it may be a file, but one that must not be replaced by renaming."""


@dataclass(frozen=True)
class Output:
    """Where a result goes: `path` is a file or a device, None is stdout.

    With `{hour}` in its name, each hour has its own file.
    """

    path: Path | None = None

    @classmethod
    def parse(cls, text: str, *, by_hour: bool) -> Output:
        """Return the output that `text` names; `-` is stdout. `by_hour`: the file name may contain `{hour}`.

        Raises ValueError for a directory, and for `{hour}` where it is not allowed.
        """
        if text in STDOUT:
            return cls()
        path = Path(text)
        if HOUR_IN_NAME in text and not by_hour:
            raise ValueError(f"{HOUR_IN_NAME} works only with run-hour, which writes one file per hour")
        if HOUR_IN_NAME in str(path.parent):
            raise ValueError(f"{HOUR_IN_NAME} must be in the file name, not in the directory: -o reports/{HOUR_IN_NAME}.json")
        # What can't be looked at is told when it is written.
        with suppress(OSError):
            if path.is_dir():
                raise ValueError(f"{text!r} is a directory; name a file in it")
        return cls(path)

    @property
    def is_by_hour(self) -> bool:
        return self.path is not None and HOUR_IN_NAME in self.path.name

    @property
    def identity(self) -> str:
        """The file's full name, which identifies it in any working directory; links are followed."""
        name = os.fsencode(_target(self.path.parent) / self.path.name) if self.path else b""
        return name.decode("utf-8", "backslashreplace")

    @property
    def file_time(self) -> int | None:
        """When the file was last written, in nanoseconds; None if it is gone or not a file."""
        try:
            found = self.path.stat() if self.path else None
        except OSError:
            return None
        return found.st_mtime_ns if found and stat.S_ISREG(found.st_mode) else None

    def of(self, hour: Hour) -> Output:
        """Return the output of one hour's file."""
        return Output(self.path and self.path.with_name(self.path.name.replace(HOUR_IN_NAME, str(hour))))

    def require_writable(self) -> None:
        """Raise Configuration, before any work is done, if nothing could be written here at the end."""
        if self.path is None:
            return
        hint = "create it, check its permissions, or choose another --output"
        try:
            if _is_stream(self.path):
                writable = os.access(self.path, os.W_OK)
                where = str(self.path)
            else:
                folder = _target(self.path).parent
                writable = os.access(folder, os.W_OK | os.X_OK)
                where = f"the directory {folder}"
        except OSError as error:
            # A name that is too long, for one.
            raise Configuration(f"can't write to {self.path}: {error.strerror}", hint=hint) from error
        if not writable:
            raise Configuration(f"can't write to {where}", hint=hint)

    def write(self, text: str) -> None:
        """Write the result; no reader of a file sees half of it. Raises Configuration if it can't be written.

        An existing file keeps its mode and, if this user may set it, its owner; a link stays a link.
        """
        text = text if text.endswith("\n") else f"{text}\n"
        if self.path is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        try:
            if _is_stream(self.path):
                with self.path.open("a", encoding="utf-8", newline="") as stream:
                    stream.write(text)
            else:
                _replace(_target(self.path), text)
        except OSError as error:
            hint = "check the directory and its permissions"
            raise Configuration(f"can't write {self.path}: {error.strerror}", hint=hint) from error

    def write_aside(self, sentence: str) -> None:
        """Write a sentence that was logged to the file, which would otherwise keep its old content; stdout gets nothing."""
        if self.path is not None:
            self.write(sentence)


def _is_stream(path: Path) -> bool:
    """Whether `path` is a device, a pipe or already open: renaming would put a file in its place, for root even /dev/null's."""
    return str(path.absolute()).startswith(_STREAMS) or (path.exists() and not path.is_file())


def _target(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _replace(path: Path, text: str) -> None:
    """Write `text` beside `path`, then rename."""
    if path.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    there = path.stat() if path.exists() else None
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    beside = Path(name)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            if there is not None:
                with suppress(OSError):
                    os.fchown(number, there.st_uid, there.st_gid)
            os.fchmod(number, 0o666 & ~_umask() if there is None else stat.S_IMODE(there.st_mode))
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
