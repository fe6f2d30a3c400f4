import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookreport.errors import BadData
from bookreport.gzipped import CHUNK, unpack

PLAIN = b"user_id,isbn10,price\n" + b"u1,0306406152,9.99\n" * 5000


def unpacked(packed: bytes, size: int = 1000) -> bytes:
    chunks = iter([packed[start : start + size] for start in range(0, len(packed), size)])
    return b"".join(unpack(next(chunks), chunks))


@pytest.mark.parametrize("size", [2, 7, 1000, 10**6])
def test_gzip_is_unpacked_whatever_the_chunks(size: int) -> None:
    assert unpacked(gzip.compress(PLAIN), size) == PLAIN


@pytest.mark.parametrize("size", [2, 7, 1000, 10**6])
def test_all_members_of_a_gzip_file_are_unpacked(size: int) -> None:
    packed = gzip.compress(PLAIN) + gzip.compress(b"") + gzip.compress(b"u2,0306406152,1\n")
    assert unpacked(packed, size) == PLAIN + b"u2,0306406152,1\n"


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5), st.integers(2, 50))
def test_any_members_come_out_as_they_went_in(members: list[bytes], size: int) -> None:
    assert unpacked(b"".join(map(gzip.compress, members)), size) == b"".join(members)


def test_zeros_behind_the_last_member_are_padding() -> None:
    assert unpacked(gzip.compress(PLAIN) + bytes(5000)) == PLAIN


@pytest.mark.parametrize("lost", [1, 8, 9, 100])
def test_gzip_data_that_is_cut_short_is_bad_data(lost: int) -> None:
    with pytest.raises(BadData, match="its gzip data is truncated"):
        unpacked(gzip.compress(PLAIN)[:-lost])


def test_a_second_member_that_is_cut_short_is_bad_data() -> None:
    with pytest.raises(BadData, match="truncated"):
        unpacked(gzip.compress(PLAIN) + gzip.compress(PLAIN)[:-1])


def test_gzip_data_with_a_wrong_checksum_is_bad_data() -> None:
    packed = bytearray(gzip.compress(PLAIN))
    packed[-8] ^= 1
    with pytest.raises(BadData, match="its gzip data is corrupt"):
        unpacked(bytes(packed))


def test_bytes_behind_a_member_that_are_no_gzip_are_bad_data() -> None:
    with pytest.raises(BadData, match="its gzip data is corrupt"):
        unpacked(gzip.compress(PLAIN) + b"user_id,isbn10\n")


def test_a_file_that_unpacks_to_much_more_comes_in_bounded_chunks() -> None:
    chunks: Iterator[bytes] = iter([zlib.compress(bytes(12 * CHUNK), wbits=31)])
    sizes = [len(chunk) for chunk in unpack(next(chunks), chunks)]
    assert sum(sizes) == 12 * CHUNK
    assert max(sizes) <= CHUNK
