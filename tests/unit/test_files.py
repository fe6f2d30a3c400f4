from datetime import UTC, datetime

from bookreport.files import File, fingerprint


def test_the_fingerprint_knows_every_file_by_key_size_and_etag_alone() -> None:
    then, now = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
    one, two = File("a.csv", 1, "x", then), File("b.csv", 2, "y", then)
    same = fingerprint([one, two])
    assert fingerprint([two, one]) == same
    assert fingerprint([File("a.csv", 1, "x", now), two]) == same
    others = [[one], [one, File("b.csv", 3, "y", then)], [one, File("b.csv", 2, "z", then)], [one, File("c.csv", 2, "y", then)]]
    assert same not in map(fingerprint, others)
