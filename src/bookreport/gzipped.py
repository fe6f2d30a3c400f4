"""Unpack gzip on the fly."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

from bookreport.errors import BadData

MAGIC = b"\x1f\x8b"
"""The bytes that gzip data starts with."""

CHUNK = 1 << 20
"""Maximum number of bytes unpacked at once."""


def unpack(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip of one or more members (RFC 1952 section 2.2), in chunks of bounded size."""
    packed = _behind_zeros(first, chunks)
    try:
        while packed:
            member = zlib.decompressobj(wbits=31)
            while not member.eof:
                if not packed and not (packed := next(chunks, b"")):
                    raise BadData("its gzip data is truncated", hint="write the file again")
                yield member.decompress(packed, CHUNK)
                packed = member.unconsumed_tail
            packed = _behind_zeros(member.unused_data, chunks)
    except zlib.error as error:
        raise BadData(f"its gzip data is corrupt: {error}", hint="write the file again") from error


def _behind_zeros(packed: bytes, chunks: Iterator[bytes]) -> bytes:
    """Return the bytes after zeros, which may pad members and the end of the file; b"" only once every chunk was read."""
    for chunk in itertools.chain((packed,), chunks):
        if rest := chunk.lstrip(b"\0"):
            return rest
    return b""
