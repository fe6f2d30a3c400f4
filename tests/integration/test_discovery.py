"""Which hours are pending, and which files an hour has."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import pytest
from moto.server import ThreadedMotoServer

from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.demo import Store
from bookreport.errors import BadData, Configuration, Temporary
from bookreport.hours import Hour
from bookstore import HOUR, Bookstore, csv_file
from connection import Sql
from liars import s3_saying
from loading import Load, MakeRun, OpenBucket, held, outcomes
from truth import Purchase

FILE = csv_file([Purchase("ana", "0306406152")])


def test_only_complete_hours_are_pending_oldest_first(bookstore: Bookstore, make_run: MakeRun) -> None:
    bookstore.fill(HOUR + 2, FILE)
    bookstore.write(HOUR + 1, "purchases-1.csv", FILE)
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 24 * 40)
    assert make_run().pending() == [HOUR, HOUR + 2, HOUR + 24 * 40]


def test_when_there_is_nothing_to_load_it_is_told_why(
    bookstore: Bookstore, make_run: MakeRun, open_bucket: OpenBucket, log: pytest.LogCaptureFixture
) -> None:
    log.set_level(logging.INFO, "bookreport")
    make_run(open_bucket(prefix="sales/")).pending()
    bookstore.write(HOUR, "purchases-1.csv", FILE)
    make_run().pending()
    bookstore.close(HOUR)
    make_run().pending()
    assert [record.getMessage() for record in log.records] == [
        f"no hour is in s3://{bookstore.bucket}/sales/: each has a folder such as year=2022/month=12/day=08/hour=01/",
        f"not complete yet, for want of FULL: {HOUR}",
    ]


def test_an_object_whose_name_begins_like_the_marker_is_no_marker(bookstore: Bookstore, make_run: MakeRun) -> None:
    for name in ("FULL.csv", "FULLER", "full", "sub/FULL"):
        bookstore.write(HOUR, name, b"")
    assert make_run().pending() == []


def test_a_marker_of_another_name_is_found(bookstore: Bookstore, make_run: MakeRun, open_bucket: OpenBucket) -> None:
    bookstore.write(HOUR, "purchases-1.csv", FILE)
    bookstore.write(HOUR, "_SUCCESS", b"")
    assert make_run(open_bucket(marker="_SUCCESS")).pending() == [HOUR]


def test_a_prefix_that_is_no_real_hour_is_told_once_and_left_out(
    bookstore: Bookstore, make_run: MakeRun, open_bucket: OpenBucket, warnings: Callable[[], list[str]]
) -> None:
    bookstore.fill(HOUR, FILE)
    strange = [
        "year=2024/month=05/day=01/hour=24",
        "year=2024/month=05/day=01/hour=7",
        "year=2024/month=13/day=01/hour=00",
        "year=2023/month=02/day=29/hour=00",
        "year=0000/month=01/day=01/hour=00",
        "year=24/month=05/day=01/hour=00",
        "Year=2024/month=05/day=01/hour=00",
        "year=2024/MONTH=05/day=01/hour=00",
        "year=2024/day=01/hour=00",
    ]
    for prefix in strange:
        bookstore.put(f"{prefix}/FULL")
    for key in ("readme.txt", "backup/year=2024/month=05/day=01/hour=02/FULL", "year=2024/month=05/notes/FULL"):
        bookstore.put(key)
    bucket = open_bucket()
    assert make_run(bucket).pending() == [HOUR]
    parts = ["hour=24/", "hour=7/", "month=13/", "day=29/", "year=0000/", "year=24/", "Year=2024/", "MONTH=05/", "2024/day=01/"]
    found = bucket.hours().stray
    assert all(any(path.endswith(part) for path in found) for part in parts)
    assert len(found) == len(parts)
    (told,) = warnings()
    assert told.startswith("9 names are in no hour's partition, and not loaded: ")
    assert sum(path in told for path in found) == 5
    assert told.endswith(" …; move them, or list a pattern in BOOKREPORT_IGNORE")


STRAY = ("sales.csv", "year=2024/a.csv.gz", "year=2024/month=05/b.parquet", "year=2024/month=05/day=01/C.CSV")


def test_objects_above_the_hours_are_told_for_no_further_request(
    bookstore: Bookstore, make_run: MakeRun, open_bucket: OpenBucket, warnings: Callable[[], list[str]]
) -> None:
    bookstore.fill(HOUR, FILE)
    clean = open_bucket()
    assert make_run(clean).pending() == [HOUR]
    for key in STRAY:
        bookstore.put(key, FILE)
    no_data = (
        "readme.txt",
        "year=2024/FULL",
        "year=2024/.tmp",
        "year=2024/month=05/_SUCCESS",
        "year=2024/month=05/notes/x.csv",
    )
    for key in no_data:
        bookstore.put(key, FILE)
    bucket = open_bucket()
    assert make_run(bucket).pending() == [HOUR]
    assert bucket.requests == clean.requests
    what_to_do = "move them, or list a pattern in BOOKREPORT_IGNORE"
    assert warnings() == [f"4 names are in no hour's partition, and not loaded: {', '.join(STRAY)}; {what_to_do}"]
    ignoring = open_bucket(ignore=("*.parquet", "sales.*", "C.CSV"))
    assert ignoring.hours().stray == ["year=2024/a.csv.gz"]


def test_an_object_for_a_folder_is_no_stray_one(bookstore: Bookstore, open_bucket: OpenBucket) -> None:
    bookstore.fill(HOUR, FILE)
    for folder in ("shop/", "shop/year=2024/", "shop/year=2024/month=05/"):
        bookstore.put(folder)
    bookstore.put(f"shop/{HOUR.partition}FULL")
    found = open_bucket(prefix="shop/").hours()
    assert (found.hours, found.stray) == ([HOUR], [])


def test_markers_that_are_not_empty_are_told_once_and_their_hours_are_loaded(
    bookstore: Bookstore, make_run: MakeRun, warnings: Callable[[], list[str]]
) -> None:
    for number in range(7):
        bookstore.fill(HOUR + number, csv_file([Purchase(f"u{number}", "0306406152")]))
    for number in range(6):
        bookstore.write(HOUR + number, "FULL", b"done\n")
    run = make_run()
    told = f"a marker should be empty; is it a data file, or an error? Not read: {HOUR} FULL (5 B), "
    run.preview(run.choose())
    (previewed,) = warnings()
    assert previewed.startswith(told)
    ended = run.follow(run.load(run.choose()), lambda _: None)
    assert outcomes(ended.outcomes) == [(HOUR + number, "loaded") for number in range(7)]
    assert sum(outcome.rows_loaded for outcome in ended.outcomes) == 7
    _, loaded = warnings()
    assert loaded == previewed
    assert loaded.endswith(f"{HOUR + 4} FULL (5 B) and 1 more")


def test_hours_are_found_below_the_prefix_alone(bookstore: Bookstore, make_run: MakeRun, open_bucket: OpenBucket) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.put(f"shop/online/{(HOUR + 1).partition}FULL")
    bookstore.put(f"shop/online-old/{(HOUR + 2).partition}FULL")
    run = make_run(open_bucket(prefix="shop/online/"))
    assert run.pending() == [HOUR + 1]
    assert run.loader.load(HOUR + 1).outcome == "loaded"


def test_a_span_has_its_first_hour_and_not_its_last(bookstore: Bookstore, make_run: MakeRun) -> None:
    for number in range(5):
        bookstore.fill(HOUR + number)
    run = make_run()
    assert run.pending(since=HOUR + 1, until=HOUR + 3) == [HOUR + 1, HOUR + 2]
    assert run.pending(since=HOUR + 3) == [HOUR + 3, HOUR + 4]
    assert run.pending(until=HOUR + 2) == [HOUR, HOUR + 1]


def test_an_hour_that_is_loaded_is_not_pending(bookstore: Bookstore, make_run: MakeRun, load: Load) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 1, FILE)
    load(HOUR)
    assert make_run().pending() == [HOUR + 1]
    assert make_run().pending(everything=True) == [HOUR + 1]
    load(HOUR + 1)
    assert make_run().pending(everything=True) == []


def test_it_is_looked_back_from_the_newest_loaded_hour_and_not_from_the_clock(
    bookstore: Bookstore, make_run: MakeRun, load: Load, sql: Sql
) -> None:
    newest, within, before = HOUR + 24 * 10, HOUR + 24 * 3, HOUR + (24 * 3 - 1)
    for hour in (newest, within, before, newest + 1000):
        bookstore.fill(hour, FILE)
    load(newest)
    sql("update source set looked_through_at = now()")
    assert make_run().pending(lookback=timedelta(days=7)) == [within, newest + 1000]
    assert make_run().pending(lookback=timedelta(hours=1)) == [newest + 1000]
    assert make_run().pending(everything=True) == [before, within, newest + 1000]


def test_a_failed_hour_is_pending_again_however_old(bookstore: Bookstore, make_run: MakeRun, load: Load) -> None:
    old, new = HOUR, HOUR + 24 * 365
    bookstore.fill(old, b"who,what\n")
    bookstore.fill(new, FILE)
    assert (load(old).outcome, load(new).outcome) == ("failed", "loaded")
    assert make_run().pending() == [old]
    bookstore.fill(old, FILE)
    second = load(old)
    assert (second.outcome, second.attempt) == ("loaded", 2)
    assert make_run().pending() == []


def test_a_failed_hour_without_its_marker_waits_for_it(bookstore: Bookstore, make_run: MakeRun, load: Load) -> None:
    bookstore.fill(HOUR, b"who,what\n")
    load(HOUR)
    bookstore.remove(HOUR, "FULL")
    assert make_run().pending() == []


def test_an_hour_that_was_given_up_is_not_pending(bookstore: Bookstore, make_run: MakeRun, sql: Callable[..., object]) -> None:
    bookstore.fill(HOUR, FILE)
    sql("insert into ledger (hour, status) values (%s, 'skipped')", HOUR.start)
    assert make_run().pending() == []


def test_files_and_what_is_no_data_are_told_apart(bookstore: Bookstore, bucket: Bucket) -> None:
    data = ["a.csv", "B.CSV", "c.csv.gz", "D.Csv.GZ", "with space.csv", "größe.csv"]
    for key in (*data, ".hidden.csv", "_temporary.csv", "sub/_ignored.csv", "FULL"):
        bookstore.write(HOUR, key, FILE)
    bookstore.write(HOUR, "", b"")
    files = bucket.files(HOUR)
    assert [file.key for file in files] == sorted(data)
    assert {file.size for file in files} == {len(FILE)}


@pytest.mark.parametrize("key", ["a.csv.zst", "a.parquet", "a.csv.bak", "notes.txt", "sub/a.csv", "csv"])
def test_an_object_that_may_be_sales_is_bad_data_by_name(bookstore: Bookstore, bucket: Bucket, key: str) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.write(HOUR, key, FILE)
    with pytest.raises(BadData, match=f"'{key}'") as caught:
        bucket.files(HOUR)
    assert "BOOKREPORT_IGNORE" in str(caught.value.hint)


def test_objects_that_are_named_as_no_data_are_ignored(bookstore: Bookstore, open_bucket: OpenBucket) -> None:
    for key in ("a.csv", "a.csv.zst", "notes.txt"):
        bookstore.write(HOUR, key, FILE)
    assert [file.key for file in open_bucket(ignore=("*.zst", "notes.*")).files(HOUR)] == ["a.csv"]


def test_a_marker_is_seen_with_its_time(bookstore: Bookstore, bucket: Bucket) -> None:
    assert bucket.marker(HOUR) is None
    bookstore.fill(HOUR)
    head = bookstore.client.head_object(Bucket=bookstore.bucket, Key=f"{HOUR.partition}FULL")
    marker = bucket.marker(HOUR)
    assert marker is not None
    assert (marker.key, marker.size, marker.last_modified) == ("FULL", 0, head["LastModified"])
    assert bucket.complete(HOUR) == (marker, ())


@pytest.mark.parametrize("keys", [{"access_key": "stranger"}, {"secret_key": "wrong"}])
def test_wrong_keys_are_a_matter_of_configuration(open_bucket: OpenBucket, keys: dict[str, str]) -> None:
    with pytest.raises(Configuration, match="S3 denied access") as caught:
        open_bucket(**keys).hours()
    assert "wrong" not in caught.value.message


def test_a_bucket_that_is_not_there_is_a_matter_of_configuration(open_bucket: OpenBucket) -> None:
    with pytest.raises(Configuration, match="there is no bucket 'absent'"):
        open_bucket("absent").hours()
    with pytest.raises(Configuration, match="there is no bucket 'absent'"):
        open_bucket("absent").marker(HOUR)


def test_a_store_that_does_not_answer_is_temporary(open_bucket: OpenBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(Temporary, match="unreachable"):
        open_bucket(endpoint_url="http://127.0.0.1:1").hours()


@pytest.mark.parametrize("token", ["", "<NextContinuationToken></NextContinuationToken>"])
def test_a_listing_that_does_not_say_how_it_goes_on_is_not_taken_for_whole(open_bucket: OpenBucket, token: str) -> None:
    entries = "".join(
        f"<Contents><Key>{HOUR.partition}{name}</Key><LastModified>2024-05-01T14:00:00Z</LastModified>"
        "<ETag>e</ETag><Size>0</Size></Contents>"
        for name in ("FULL", "a.csv")
    )
    page = f"<ListBucketResult><IsTruncated>true</IsTruncated>{token}{entries}</ListBucketResult>"
    with s3_saying(200, page.encode()) as endpoint_url:
        bucket = open_bucket(endpoint_url=endpoint_url)
        for listing in (bucket.complete, bucket.files):
            with pytest.raises(Temporary, match="does not say how it goes on"):
                listing(HOUR)


def test_a_partition_of_more_files_than_a_listing_has_is_seen_whole(bookstore: Bookstore, bucket: Bucket) -> None:
    keys = [f"{number:05}.csv" for number in range(1005)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: bookstore.write(HOUR, key, b""), keys))
    assert [file.key for file in bucket.files(HOUR)] == keys


@pytest.fixture
def moto() -> Iterator[Store]:
    """An S3 store in memory."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Store(f"http://{host}:{port}", "any", "any")
    server.stop()


def test_with_ten_years_of_loaded_hours_a_run_makes_a_few_dozen_requests(moto: Store, open_bucket: OpenBucket) -> None:
    last = Hour.parse("2024-05-01T13")
    hours = sorted({last + -24 * 180 * number for number in range(20)} | {last + -number for number in range(24 * 8)})
    bookstore = Bookstore(moto)
    bookstore.client.create_bucket(Bucket=bookstore.bucket)
    for hour in hours:
        bookstore.close(hour)
    bookstore.client.close()
    bucket = open_bucket(endpoint_url=moto.endpoint_url)
    assert bucket.hours(last + -24 * 7, known=hours[:-1]).hours == [last]
    assert bucket.requests < 30


def test_the_whole_bucket_is_looked_at_until_a_run_has_gone_through_it(
    bookstore: Bookstore, make_run: MakeRun, load: Load
) -> None:
    old, newest = [HOUR, HOUR + 1, HOUR + 2], HOUR + 24 * 365
    for hour in (*old, newest):
        bookstore.fill(hour, b"who,what\n" if hour == HOUR + 1 else FILE)
    load(newest)
    stopped = make_run()
    assert stopped.pending() == old
    stopped.end_look(list(stopped.load_hours(old[:2])))
    again = make_run()
    assert again.pending() == old[1:]
    again.end_look(list(again.load_hours(old[1:])))
    bookstore.fill(HOUR + 3, FILE)
    later = make_run()
    assert later.pending() == [HOUR + 1]
    assert later.looked is not None
    assert later.looked.looked_from == newest + -24 * 7
    assert make_run().pending(everything=True) == [HOUR + 1, HOUR + 3]


@pytest.mark.parametrize("outcome", ["locked", "not-ready"])
def test_an_hour_that_was_not_gone_through_is_looked_for_again(
    bookstore: Bookstore, make_run: MakeRun, load: Load, database: Database, outcome: str
) -> None:
    bookstore.fill(HOUR, FILE)
    bookstore.fill(HOUR + 24 * 365, FILE)
    load(HOUR + 24 * 365)
    run = make_run()
    hours = run.pending()
    with ExitStack() as stack:
        if outcome == "locked":
            stack.enter_context(held(database, HOUR))
        else:
            bookstore.remove(HOUR, "FULL")
        ended = list(run.load_hours(hours))
    assert outcomes(ended) == [(HOUR, outcome)]
    run.end_look(ended)
    bookstore.close(HOUR)
    assert make_run().pending() == [HOUR]


def test_a_part_that_was_asked_for_is_not_the_whole(bookstore: Bookstore, make_run: MakeRun) -> None:
    for number in range(3):
        bookstore.fill(HOUR + number * 1000, FILE)
    for since, until in ((HOUR + 2000, None), (None, HOUR + 1)):
        run = make_run()
        run.end_look(list(run.load_hours(run.pending(since=since, until=until))))
    assert make_run().pending() == [HOUR + 1000]


def test_a_bucket_that_has_moved_is_looked_through_anew(
    bookstore: Bookstore, make_run: MakeRun, open_bucket: OpenBucket
) -> None:
    newest = HOUR + 24 * 365
    for hour in (HOUR, newest):
        bookstore.fill(hour, FILE)
    run = make_run()
    run.end_look(list(run.load_hours(run.pending())))
    for hour in (HOUR + 1, newest):
        bookstore.put(f"moved/{hour.partition}FULL")
    late = make_run()
    assert late.pending(everything=True) == []
    moved = make_run(open_bucket(prefix="moved/"), new_source=True)
    assert moved.pending() == [HOUR + 1]
    moved.take_source()
    late.end_look(())
    assert make_run(open_bucket(prefix="moved/")).pending() == [HOUR + 1]
