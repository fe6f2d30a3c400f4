"""S3 under fire: bodies that break, stores that refuse, files that change under the reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from faults.account import inspect
from faults.lab import Lab, at_request, marking
from faults.proxy import Cut, Link
from faults.shop import FIRST, HEADER, Hour, shop
from running import Ended

CHUNK = 1 << 18
"""Bytes that the tool reads at once: a chunk that breaks off is requested again."""


def two_hours(rows: int = 50) -> list[Hour]:
    return shop(2, rows)


@pytest.fixture
def bucket(lab: Lab, database: str) -> Iterator[str]:
    """The name of a bucket for this test alone; it does not exist yet."""
    name = f"bucket-{database.replace('_', '-')}"
    yield name
    for page in lab.client.get_paginator("list_objects_v2").paginate(Bucket=name):
        for entry in page.get("Contents", []):
            lab.client.delete_object(Bucket=name, Key=entry["Key"])


def failed_hour(ended: Ended) -> tuple[str, str]:
    """Return the first failed hour of a run and what it said."""
    return next((hour["hour"], str(hour["error"])) for hour in ended.json["hours"] if hour["outcome"] == "failed")


def answer(status: str, code: str) -> Callable[[Link, bytes], bytes]:
    """Return an action that answers a request in the store's place."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>made up</Message></Error>"
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    date = "Date: Thu, 08 Dec 2022 01:02:03 GMT\r\nConnection: close\r\n\r\n"

    def act(_link: Link, _piece: bytes) -> bytes:
        raise Cut(answer=f"{head}{date}{body}".encode())

    return act


HEADER_END = len(",".join(HEADER)) + 1


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("place", ["0", "1", "100", "header end", "middle", "last byte"])
def test_a_body_that_breaks_is_taken_up_where_it_broke(lab: Lab, database: str, bucket: str, place: str, reset: bool) -> None:
    hours = [Hour(FIRST, 20_000, files=1)]
    lab.new_bucket(bucket, hours)
    size = len(hours[0].objects[f"{hours[0].partition}purchases-0001.csv"])
    at = {"header end": HEADER_END, "middle": size // 2, "last byte": size - 1}.get(place) or int(place)
    heads: list[str] = []

    watch = marking(r"hour=00/purchases-0001\.csv", seen=heads)

    def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
        if to_server or "asked" not in link.notes:
            return watch(link, to_server, piece)
        before = link.notes.get("answer", b"")
        assert isinstance(before, bytes)
        link.notes["answer"] = before + piece
        head, end, body = (before + piece).partition(b"\r\n\r\n")
        if end and len(body) > at:
            raise Cut(passed=(head + end + body[:at])[len(before) :], reset=reset)
        return piece

    lab.s3.fault = fault
    ended = lab.run(database, "ingest", "-v", S3_BUCKET=bucket)
    assert ended.code == 0, ended.err
    assert not inspect(lab.url(database), hours, complete=True).told
    assert len(heads) == 2
    resumed = re.search(r"Range: bytes=(\d+)-", heads[1])
    assert resumed
    went_on = int(resumed[1])
    # A reset discards what the kernel holds unread; a FIN does not.
    assert went_on <= at
    assert reset or at - CHUNK < went_on
    assert all(re.search("If-Match: ", head) for head in heads)
    assert re.search(rf"purchases-0001\.csv.*byte {went_on:,}\b|purchases-0001\.csv.*byte {went_on}\b", ended.err)


def test_a_body_that_always_breaks_is_temporary(lab: Lab, database: str, bucket: str) -> None:
    hours = two_hours()
    lab.new_bucket(bucket, hours)

    def cut(_link: Link, _piece: bytes) -> bytes:
        raise Cut

    lab.s3.fault = at_request(r"hour=01/purchases-0002\.csv", cut, number=0)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (5, "temporary", "2022-12-08T01:00:00Z")
    assert not inspect(lab.url(database), hours[:1], complete=True).told
    assert not lab.finish(database, hours=hours, S3_BUCKET=bucket).told


@pytest.mark.parametrize(
    ("status", "code"), [("503 Slow Down", "SlowDown"), ("500 Internal Server Error", "InternalError"), ("503 Busy", "Busy")]
)
@pytest.mark.parametrize("pattern", [r"list-type=2", r"hour=00/purchases-0001"], ids=["listing", "file"])
def test_a_store_that_is_busy_for_a_while_is_asked_again(
    lab: Lab, database: str, bucket: str, pattern: str, status: str, code: str
) -> None:
    hours = two_hours()
    lab.new_bucket(bucket, hours)
    heads: list[str] = []
    busy = answer(status, code)
    lab.s3.fault = at_request(pattern, lambda link, piece: busy(link, piece) if len(heads) < 3 else piece, number=0, seen=heads)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert ended.code == 0, ended.err
    assert len(heads) >= 3
    assert not inspect(lab.url(database), hours, complete=True).told


def test_a_store_that_stays_busy_is_one_temporary_error(lab: Lab, database: str, bucket: str) -> None:
    hours = two_hours()
    lab.new_bucket(bucket, hours)
    lab.s3.fault = at_request(r"hour=01/purchases-0001", answer("503 Slow Down", "SlowDown"), number=0)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (5, "temporary", "2022-12-08T01:00:00Z")
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["loaded", "failed"]
    assert not inspect(lab.url(database), hours[:1], complete=True).told
    assert not lab.finish(database, hours=hours, S3_BUCKET=bucket).told


def test_one_object_that_the_store_never_gives_fails_its_hour_alone(lab: Lab, database: str, bucket: str) -> None:
    hours = two_hours()
    lab.new_bucket(bucket, hours)
    lab.s3.fault = at_request(r"hour=00/purchases-0001", answer("500 Internal Server Error", "InternalError"), number=0)
    ended = lab.run(database, "run-hour", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (5, "temporary", "2022-12-08T00:00:00Z")
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["failed", "loaded"]
    assert [report["window"]["since"] for report in ended.json["reports"]] == ["2022-12-08T01:00:00Z"]
    assert not lab.finish(database, hours=hours, S3_BUCKET=bucket).told


def test_a_clock_that_is_off_is_told_as_that(lab: Lab, database: str, bucket: str) -> None:
    lab.new_bucket(bucket, two_hours())
    lab.s3.fault = at_request("", answer("403 Forbidden", "RequestTimeTooSkewed"), number=0)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"]) == (6, "config")
    assert "clock" in ended.error["message"]
    assert "2022 01:02:03" in ended.error["message"]


def test_a_refused_key_is_told_as_that(lab: Lab, database: str) -> None:
    ended = lab.run(database, "ingest", "--json", MINIO_ROOT_PASSWORD="wrong-secret")
    assert (ended.code, ended.error["kind"]) == (6, "config")
    assert "access" in ended.error["message"]
    assert "MINIO_ROOT_PASSWORD" in ended.error["hint"]
    assert "wrong-secret" not in ended.err


def test_a_missing_bucket_is_told_as_that(lab: Lab, database: str) -> None:
    ended = lab.run(database, "ingest", "--json", S3_BUCKET="no-such-bucket")
    assert (ended.code, ended.error["kind"]) == (6, "config")
    assert "no-such-bucket" in ended.error["message"]


@pytest.mark.parametrize(
    "kept", [30, 500, -9, -1], ids=["in the first bytes", "in the middle", "before the checksum", "in the size"]
)
def test_gzip_that_is_cut_short_is_bad_data_and_no_short_file(lab: Lab, database: str, bucket: str, kept: int) -> None:
    hours = two_hours(rows=200)
    lab.new_bucket(bucket, hours)
    key = f"{hours[0].partition}purchases-0003.csv.gz"
    lab.put(bucket, {key: hours[0].objects[key][:kept]})
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"]) == (4, "bad-data")
    hour, said = failed_hour(ended)
    assert hour == "2022-12-08T00:00:00Z"
    assert "purchases-0003.csv.gz" in said
    assert "truncated" in said
    assert not inspect(lab.url(database), hours, complete=False).told
    assert not inspect(lab.url(database), hours[1:], complete=True).told
    lab.put(bucket, {key: hours[0].objects[key]})
    assert not lab.finish(database, hours=hours, S3_BUCKET=bucket).told


def test_a_file_replaced_between_list_and_read_fails_the_hour_and_the_next_run_has_the_new_one(
    lab: Lab, database: str, bucket: str
) -> None:
    before = two_hours()
    after = [Hour(FIRST, 60, seed="new"), before[1]]
    lab.new_bucket(bucket, before)
    key = f"{before[0].partition}purchases-0001.csv"

    def replace(_link: Link, piece: bytes) -> bytes:
        lab.put(bucket, after[0].objects)
        return piece

    lab.s3.fault = at_request(key, replace)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"]) == (4, "bad-data")
    hour, said = failed_hour(ended)
    assert hour == "2022-12-08T00:00:00Z"
    assert "purchases-0001.csv: it changed" in said
    assert not inspect(lab.url(database), before, complete=False).told
    assert not lab.finish(database, hours=after, S3_BUCKET=bucket).told


def test_a_file_replaced_while_it_is_read_is_never_a_mixture(lab: Lab, database: str, bucket: str) -> None:
    before, after = Hour(FIRST, 20_000, files=1), Hour(FIRST, 20_000, files=1, seed="new")
    lab.new_bucket(bucket, [before])

    watch = marking(r"purchases-0001\.csv")

    def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
        if not to_server and "asked" in link.notes:
            passed = link.notes.setdefault("passed", 0)
            assert isinstance(passed, int)
            link.notes["passed"] = passed + len(piece)
            if passed > 2 * CHUNK:
                lab.change(bucket, before, after)
                raise Cut
        return watch(link, to_server, piece)

    lab.s3.fault = fault
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"]) == (4, "bad-data")
    assert "changed" in failed_hour(ended)[1]
    assert not inspect(lab.url(database), [before], complete=False).told
    assert not lab.finish(database, hours=[after], S3_BUCKET=bucket).told


@pytest.mark.parametrize("change", ["added", "replaced", "removed"])
def test_files_that_change_between_the_two_listings_fail_the_hour(lab: Lab, database: str, bucket: str, change: str) -> None:
    before = two_hours()
    after = {
        "added": Hour(FIRST, 50, files=4),
        "replaced": Hour(FIRST, 50, seed="new"),
        "removed": Hour(FIRST, 50, files=2),
    }[change]
    lab.new_bucket(bucket, before)

    def act(_link: Link, piece: bytes) -> bytes:
        lab.change(bucket, before[0], after)
        return piece

    lab.s3.fault = at_request(r"list-type=2.*prefix=[^&]*hour=00/(&|$)", act, number=2)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert (ended.code, ended.error["kind"]) == (4, "bad-data")
    assert failed_hour(ended)[0] == "2022-12-08T00:00:00Z"
    assert not inspect(lab.url(database), before, complete=False).told
    assert not lab.finish(database, hours=[after, before[1]], S3_BUCKET=bucket).told


def test_an_hour_of_more_files_than_a_listing_holds_is_loaded_whole(lab: Lab, database: str, bucket: str) -> None:
    hours = [Hour(FIRST, 2, files=1003)]
    lab.new_bucket(bucket, hours)
    pages: list[str] = []
    lab.s3.fault = at_request(r"list-type=2.*hour=00/(&|$)", lambda _link, piece: piece, seen=pages)
    ended = lab.run(database, "ingest", "--json", S3_BUCKET=bucket)
    assert ended.code == 0, ended.err
    assert [head for head in pages if "continuation-token" in head]
    assert not lab.finish(database, hours=hours, S3_BUCKET=bucket).told
