"""The cost of a run does not grow with its history, with or without gaps."""

from collections.abc import Callable
from dataclasses import astuple
from datetime import timedelta

import pytest

from bookreport.bucket import Bucket
from bookreport.check import check
from bookreport.database import Database
from bookreport.hours import Hour
from bookstore import ENGLISH, SPANISH, csv_file
from connection import Sql
from listing import served
from loading import MakeRun, OpenBucket
from truth import Purchase

NEW = Hour.parse("2024-05-17T13")
FILE = csv_file([Purchase("u1", ENGLISH), Purchase("u2", SPANISH)])
MONTH, DECADE = 30 * 24, 3650 * 24

KEPT: dict[str, Callable[[int], bool]] = {
    "none missing": lambda _: True,
    "half of each day missing": lambda number: number % 2 == 0,
}


def remember(sql: Sql, hours: list[Hour], bucket: Bucket) -> None:
    """Put hours into the ledger, as if each had been loaded in its time and the whole bucket had been searched."""
    sql("truncate source")
    sql(
        "insert into source (endpoint, bucket, prefix, looked_through_at) values (%s, %s, %s, now())",
        *astuple(bucket.identity),
    )
    sql("truncate ledger, ledger_files, purchase_rows, hour_sums")
    sql(
        "insert into ledger (hour, status, attempts, files, loaded_at)"
        " select hour, 'loaded', 1, 1, hour + interval '70 min' from unnest(%s::timestamptz[]) as hours (hour)",
        [hour.start for hour in hours],
    )


@pytest.mark.parametrize("holes", KEPT)
def test_a_run_makes_as_many_requests_after_ten_years_as_after_a_month(
    sql: Sql, open_bucket: OpenBucket, make_run: MakeRun, holes: str
) -> None:
    failing = {"none missing": ["freshness"], "half of each day missing": ["missing", "freshness"]}
    requests, requests_of_check = {}, {}
    for length in (MONTH, DECADE):
        hours = [NEW + -number for number in range(1, length + 1) if KEPT[holes](number)]
        with served([*hours, NEW], FILE) as url:
            bucket = open_bucket(endpoint_url=url)
            remember(sql, hours, bucket)
            run = make_run(bucket)
            assert run.pending() == [NEW]
            assert run.loader.load(NEW).error is None
            requests[length] = bucket.requests
            assert make_run(bucket).pending() == []
            before = bucket.requests
            found = {each.name: each for each in check(run.database, bucket, "Spanish", timedelta(hours=1))}
            assert [name for name, each in found.items() if not each.ok] == failing[holes]
            requests_of_check[length] = bucket.requests - before
    assert requests[DECADE] == requests[MONTH] < 36
    assert requests_of_check[DECADE] == requests_of_check[MONTH] < 24


def test_until_a_run_has_searched_the_bucket_check_does_not_either(open_bucket: OpenBucket, database: Database) -> None:
    with served([NEW + -number for number in range(MONTH)], FILE) as url:
        bucket = open_bucket(endpoint_url=url)
        assert [each.name for each in check(database, bucket, "Spanish") if not each.ok] == []
        assert bucket.requests < 12


def test_a_hole_of_long_ago_is_filled_when_the_whole_bucket_is_looked_through(
    sql: Sql, open_bucket: OpenBucket, make_run: MakeRun
) -> None:
    hours = [NEW + -number for number in range(DECADE)]
    hole = hours[50_000]
    with served(hours, FILE) as url:
        bucket = open_bucket(endpoint_url=url)
        remember(sql, [hour for hour in hours if hour != hole], bucket)
        run = make_run(bucket)
        assert run.pending() == []
        looked_back = bucket.requests
        assert run.pending(everything=True) == [hole]
        # Requests: the clock, the root, and year, month and day of the gap and of both ends.
        assert bucket.requests - looked_back <= 12
