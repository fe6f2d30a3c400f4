"""Unpack gzip, as it comes."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

from bookreport.errors import BadData

MAGIC = b"\x1f\x8b"
"""What gzip data begins with."""

CHUNK = 1 << 20
"""Bytes that are unpacked at once, at most."""


def unpack(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip, of one member or several (RFC 1952 section 2.2), a bounded chunk at a time."""
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
    """Return the bytes behind zeros, which pad members and the file's end; b"" only when every chunk was read."""
    for chunk in itertools.chain((packed,), chunks):
        if rest := chunk.lstrip(b"\0"):
            return rest
    return b""
