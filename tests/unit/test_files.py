from datetime import UTC, datetime

import pytest

from bookreport.files import File, Source, fingerprint


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://minio:9000", "https://minio:9000", True),
        ("http://store", "https://store", True),
        ("http://store:80", "https://store:443", True),
        ("https://store", "https://STORE:443", True),
        ("https://store/s3", "http://store/s3", True),
        ("http://[::1]:9000", "https://[::1]:9000", True),
        ("http://minio:9000", "http://minio:9001", False),
        ("http://minio:9000", "https://minio", False),
        ("https://store:80", "https://store", False),
        ("https://store/s3", "https://store/s4", False),
        ("https://store", "", False),
    ],
)
def test_http_and_https_of_an_endpoint_are_one_source(one: str, other: str, *, same: bool) -> None:
    assert (Source(one, "bookstore", "").identity == Source(other, "bookstore", "").identity) is same
    assert Source(one, "bookstore", "").identity != Source(one, "another", "").identity


def test_the_fingerprint_knows_every_file_by_key_size_and_etag_alone() -> None:
    then, now = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
    one, two = File("a.csv", 1, "x", then), File("b.csv", 2, "y", then)
    same = fingerprint([one, two])
    assert fingerprint([two, one]) == same
    assert fingerprint([File("a.csv", 1, "x", now), two]) == same
    others = [[one], [one, File("b.csv", 3, "y", then)], [one, File("b.csv", 2, "z", then)], [one, File("c.csv", 2, "y", then)]]
    assert same not in map(fingerprint, others)
