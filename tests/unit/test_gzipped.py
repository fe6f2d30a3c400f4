import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookreport import gzipped
from bookreport.errors import BadData
from bookreport.gzipped import CHUNK, LARGEST_RATIO, Content, most_bytes, unpack

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


def test_gzip_that_unpacks_to_more_than_purchases_can_is_refused_without_reading_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gzipped, "UNTRIED", 4 * CHUNK)
    packed = gzip.compress(b"\n" * (64 * CHUNK))
    chunks = iter([packed[start : start + 1000] for start in range(0, len(packed), 1000)])
    with pytest.raises(BadData, match=r"its first [0-9,]+ bytes of gzip data unpack to 5,242,880, [0-9]+ times") as caught:
        list(unpack(next(chunks), chunks))
    assert caught.value.hint == "look at what it holds; if it is right, write it without gzip"
    assert len(list(chunks)) > len(packed) // 1000 * 0.9


def test_what_a_file_may_unpack_to_untried_is_let_through_whatever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzipped, "UNTRIED", 4 * CHUNK)
    assert unpacked(gzip.compress(b"\n" * (4 * CHUNK))) == b"\n" * (4 * CHUNK)


@pytest.mark.parametrize("level", [1, 6, 9])
def test_a_file_of_nothing_but_equal_purchases_is_let_through(monkeypatch: pytest.MonkeyPatch, level: int) -> None:
    monkeypatch.setattr(gzipped, "UNTRIED", 0)
    sale = b"u1,0306406152,1,9.99\n"
    assert unpacked(gzip.compress(sale * 200_000, level)) == sale * 200_000


def test_no_file_unpacks_to_more_than_deflate_can() -> None:
    assert len(gzip.compress(bytes(8 * CHUNK), 9)) * LARGEST_RATIO > 8 * CHUNK
    assert most_bytes(10) == 10 * LARGEST_RATIO


def test_members_of_a_byte_come_together() -> None:
    packed = gzip.compress(b"x") * 5000
    assert list(unpack(packed, iter(()))) == [b"x" * 5000]


def test_zlib_is_given_little_at_once_since_it_copies_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    class Member:
        eof, unconsumed_tail = False, b""

        def decompress(self, packed: bytes, _most: int) -> bytes:
            given.append(len(packed))
            return b""

    monkeypatch.setattr(zlib, "decompressobj", lambda **_: Member())
    with pytest.raises(BadData, match="truncated"):
        list(unpack(b"x" * CHUNK, iter([b"x" * CHUNK])))
    assert sum(given) == 2 * CHUNK
    assert max(given) <= 1 << 16


def test_how_many_bytes_there_can_be_is_exact_once_a_file_is_known_not_to_be_packed() -> None:
    plain, packed = Content([b"us", b"er"], 4), Content([gzip.compress(PLAIN)], 500)
    assert (plain.most_bytes, packed.most_bytes) == (4 * LARGEST_RATIO, 500 * LARGEST_RATIO)
    assert (b"".join(plain), b"".join(packed)) == (b"user", PLAIN)
    assert (plain.most_bytes, packed.most_bytes) == (4, 500 * LARGEST_RATIO)
