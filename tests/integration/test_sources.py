"""The ledger's own bucket against other ones, and stores that fail meanwhile, on real servers."""

import io
from typing import Any
from urllib.parse import unquote

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from bookreport.bucket import Bucket
from bookreport.errors import Configuration
from bookreport.hours import Hour
from bookstore import HOUR, Bookstore, csv_file
from connection import Sql
from loading import SOLD, TABLES, Load, MakeRun, OpenBucket, everything

OTHER_SOURCES = [{"prefix": "shop/"}, {"name": "another"}, {"endpoint_url": "http://127.0.0.1:1"}]


@pytest.mark.parametrize("other", OTHER_SOURCES, ids=["prefix", "bucket", "endpoint"])
def test_a_run_against_another_source_stops_and_changes_nothing(
    bookstore: Bookstore,
    load: Load,
    make_run: MakeRun,
    open_bucket: OpenBucket,
    sql: Sql,
    other: dict[str, str],
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = everything(sql)
    with pytest.raises(Configuration, match="another bucket") as caught:
        make_run(open_bucket(**other))
    assert "--new-source" in str(caught.value.hint)
    assert everything(sql) == before


def test_a_bucket_that_has_moved_is_taken_when_that_is_said(
    bookstore: Bookstore, load: Load, make_run: MakeRun, open_bucket: OpenBucket, sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    bookstore.put(f"shop/{(HOUR + 1).partition}FULL")
    moved = open_bucket(prefix="shop/")
    run = make_run(moved, new_source=True)
    run.take_source()
    assert run.loader.load(HOUR + 1).outcome == "loaded"
    assert sql("select prefix from source") == [("shop/",)]
    assert make_run(moved).pending() == []
    with pytest.raises(Configuration, match="another bucket"):
        make_run()


def test_a_search_is_recorded_of_an_endpoint_that_speaks_tls_by_now(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, bucket: Bucket
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    assert bucket.endpoint_url is not None
    before = bucket.endpoint_url.replace("http:", "https:")
    sql("insert into source (endpoint, bucket, prefix) values (%s, %s, '')", before, bucket.name)
    run = make_run()
    run.end_look(run.load_hours(run.pending()))
    assert sql("select endpoint, looked_through_at is not null from source") == [(before, True)]
    run = make_run()
    assert run.pending() == []
    assert run.looked is not None
    assert not run.looked.whole


def test_a_bad_hour_stops_only_itself(bookstore: Bookstore, make_run: MakeRun, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    bookstore.fill(HOUR + 1, b"who,what\n")
    bookstore.fill(HOUR + 2, csv_file(SOLD))
    outcomes = list(make_run().load_hours([HOUR, HOUR + 1, HOUR + 2, HOUR + 3]))
    assert [outcome.outcome for outcome in outcomes] == ["loaded", "failed", "loaded", "not-ready"]
    assert sql("select hour, status from ledger order by 1") == [
        (HOUR.start, "loaded"),
        ((HOUR + 1).start, "failed"),
        ((HOUR + 2).start, "loaded"),
    ]


def test_a_store_that_goes_away_ends_the_run(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number, csv_file(SOLD))
    run, read = make_run(), Bucket.read

    def away(self: Bucket, hour: Hour, file: Any) -> Any:
        if hour == HOUR + 1:
            self._client.meta.events.register("before-send.s3", lambda **_: (_ for _ in ()).throw(OSError("unplugged")))
        return read(self, hour, file)

    monkeypatch.setattr(Bucket, "read", away)
    monkeypatch.setattr("time.sleep", lambda _: None)
    outcomes = list(run.load_hours([HOUR, HOUR + 1, HOUR + 2]))
    assert [outcome.outcome for outcome in outcomes] == ["loaded", "failed"]
    assert outcomes[-1].error is not None
    assert outcomes[-1].error.exit_code == 5
    assert sql("select count(distinct hour) from purchases") == [(1,)]


def test_a_move_of_the_bucket_is_taken_though_nothing_is_pending(
    bookstore: Bookstore, load: Load, make_run: MakeRun, sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    sql("update source set bucket = 'the-old-one'")
    make_run(new_source=True).take_source()
    assert make_run().pending() == []
    assert sql("select bucket from source") == [(bookstore.bucket,)]


def test_a_bucket_that_is_not_there_is_never_taken_and_fails_no_hour(
    bookstore: Bookstore, load: Load, make_run: MakeRun, open_bucket: OpenBucket, sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    before = [sql(f"select to_jsonb(t) from {table} t order by 1::text") for table in TABLES]
    mistaken = make_run(open_bucket("no-such-bucket"), new_source=True)
    with pytest.raises(Configuration, match="no bucket"):
        mistaken.take_source()
    outcome = mistaken.loader.load(HOUR, again=True)
    assert (outcome.outcome, outcome.error and outcome.error.exit_code) == ("failed", 6)
    assert [sql(f"select to_jsonb(t) from {table} t order by 1::text") for table in TABLES] == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_object_that_can_not_be_had_fails_its_hour_alone_while_the_store_answers(
    bookstore: Bookstore,
    make_run: MakeRun,
    bucket: Bucket,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
    jobs: int,
) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number, csv_file(SOLD))

    def broken(request: AWSPreparedRequest, **_: object) -> Any:
        if (HOUR + 1).partition not in unquote(request.url) or "purchases-1.csv" not in request.url:
            return None
        raw = HTTPResponse(io.BytesIO(b"<Error><Code>InternalError</Code></Error>"), preload_content=False)
        return AWSResponse(request.url, 500, HTTPHeaders(), raw)

    bucket._client.meta.events.register("before-send.s3", broken)
    monkeypatch.setattr("time.sleep", lambda _: None)
    outcomes = list(make_run().load_hours([HOUR, HOUR + 1, HOUR + 2], jobs=jobs))
    assert [outcome.outcome for outcome in outcomes] == ["loaded", "failed", "loaded"]
    error = outcomes[1].error
    assert error is not None
    assert (error.exit_code, error.kind) == (5, "temporary")
    assert error.message.startswith(
        f"{bucket.url(HOUR + 1, 'purchases-1.csv')} can't be read, although the store is up: S3 answered"
    )
    assert sql("select status from ledger order by hour") == [("loaded",), ("failed",), ("loaded",)]
