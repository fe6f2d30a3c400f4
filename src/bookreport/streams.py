"""stdout and stderr, wherever they go: to a full disk, to a reader who has gone, or nowhere, because they are closed."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, TextIO, TypeVar, cast

from bookreport.errors import Configuration

Kind = TypeVar("Kind", "Stdout", "Stderr")


class Stdout(io.TextIOWrapper):
    """stdout, for results: raises Configuration if it can't be written, and BrokenPipeError if its reader has gone."""

    def write(self, text: str, /) -> int:
        # Click writes nothing to see what kind of stream this is, and takes any error for an answer.
        if text == "":
            return 0
        with self._named():
            return super().write(text)

    def flush(self) -> None:
        with self._named():
            super().flush()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            discard(self)
            raise Configuration(
                f"stdout can't be written: {error.strerror}", hint="free space where it goes, or send it elsewhere"
            ) from error


class Stderr(io.TextIOWrapper):
    """stderr, for messages: what can't be written is lost, and stops no work."""

    def write(self, text: str, /) -> int:
        with self._unheard():
            super().write(text)
        return len(text)

    def flush(self) -> None:
        with self._unheard():
            super().flush()

    @contextmanager
    def _unheard(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            discard(self)


def set_up() -> None:
    """Replace sys.stdout and sys.stderr by Stdout and Stderr, unless a test has replaced them already."""
    # A file or a connection that is opened later must not get the number of a stream that is closed.
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _remade(Stdout, sys.__stdout__, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _remade(Stderr, sys.__stderr__, 2)


def discard(stream: TextIO) -> None:
    """Discard what `stream` holds, and whatever is written to it from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    stream.flush()


def _remade(kind: type[Kind], stream: io.TextIOWrapper | None, number: int) -> Kind:
    if stream is None:
        # For Python, a closed stream is none at all.
        return kind(cast(BinaryIO, io.FileIO(number, "w", closefd=False)), "utf-8", write_through=True)
    # Cron's locale may be ASCII alone; and no character may take the whole result away.
    encoding = "utf-8" if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding
    return kind(
        stream.buffer,
        encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
