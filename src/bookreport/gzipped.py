"""Unpack gzip on the fly."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable, Iterator

from bookreport.errors import BadData

MAGIC = b"\x1f\x8b"
"""The bytes that gzip data starts with."""

AGAIN = "have whoever writes it upload the whole file again"

CHUNK = 1 << 20
"""Maximum number of bytes unpacked at once."""

PIECE = 1 << 14
"""Bytes that zlib is given at once: it copies what is left of them for each member and for each CHUNK."""

LARGEST_RATIO = 1032
"""How many bytes one byte of deflate data can unpack to: 258 of them are copied by two bits (RFC 1951 section 3.2.5)."""

UNTRIED, MOST_RATIO = 1 << 27, 600
"""A file may unpack to UNTRIED bytes, or to MOST_RATIO times its size if that is more.

Purchases of which each tells something of its own (one user of two, the second) reach 120; even a file of nothing but equal
lines reaches 400 (measured: 1,000,000 of 21 bytes, gzip -9), or 515 if they have only ten bytes. Runs of one byte reach 1,030.
"""


def most_bytes(size: int) -> int:
    """Return how many bytes a file of `size` bytes can have when unpacked; nobody knows whether it is packed."""
    return size * LARGEST_RATIO


class Content:
    """The bytes of a file of `size` bytes that arrive in `chunks`, unpacked if the first two are gzip's; to be iterated once.

    `most_bytes`: how many there can be; known better once the first are read.
    """

    def __init__(self, chunks: Iterable[bytes], size: int) -> None:
        self.most_bytes = most_bytes(size)
        self._chunks, self._size = chunks, size

    def __iter__(self) -> Iterator[bytes]:
        chunks = iter(self._chunks)
        first = b""
        for chunk in chunks:
            first += chunk
            if len(first) >= len(MAGIC):
                break
        if first.startswith(MAGIC):
            yield from unpack(first, chunks)
        else:
            self.most_bytes = self._size
            yield first
            yield from chunks


def unpack(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip of one or more members (RFC 1952 section 2.2), in chunks of CHUNK bytes and a last, shorter one.

    Raises BadData if the data is truncated or corrupt, or unpacks to so much that it can't be purchases.
    """
    member: zlib._Decompress | None = None
    taken = given = 0
    ready = bytearray()
    try:
        for piece in _pieces(first, chunks):
            taken += len(piece)
            packed = piece
            while packed:
                if member is None:
                    # Zeros may pad members, and the end of the file.
                    packed = packed.lstrip(b"\0")
                    member = zlib.decompressobj(wbits=31) if packed else None
                    continue
                ready += member.decompress(packed, CHUNK - len(ready))
                if len(ready) == CHUNK:
                    yield bytes(ready)
                    given += len(ready)
                    ready.clear()
                    _refuse_bomb(taken, given)
                packed, member = (member.unused_data, None) if member.eof else (member.unconsumed_tail, member)
    except zlib.error as error:
        raise BadData(f"its gzip data is corrupt: {error}", hint=AGAIN) from error
    if member is not None:
        raise BadData("its gzip data is truncated", hint=AGAIN)
    if ready:
        yield bytes(ready)


def _pieces(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in itertools.chain((first,), chunks):
        for start in range(0, len(chunk), PIECE):
            yield chunk[start : start + PIECE]


def _refuse_bomb(taken: int, given: int) -> None:
    if given > max(UNTRIED, MOST_RATIO * taken):
        raise BadData(
            f"its first {taken:,} bytes of gzip data unpack to {given:,}, {given // taken:,} times as much; purchases don't",
            hint="look at what it holds; if it is right, write it without gzip",
        )
