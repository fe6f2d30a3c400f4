"""The history of attempts: what each did, as it was recorded, and which of them are asked for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import documents
from bookreport.database import Database
from bookreport.history import History, history
from bookreport.hours import Hour
from bookreport.present.history import history_json, history_table
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import Load
from truth import Purchase

ONE = csv_file([Purchase("ana", ENGLISH, 2, "12.50"), Purchase("bob", SPANISH, 1, "7.99")])
TWO = csv_file([Purchase("eva", ENGLISH, 3, "1000.5")])
BAD = b"who,what\n"

See = Callable[..., History]


@pytest.fixture
def see(database: Database) -> See:
    def run(*hours: Hour, since: datetime | None = None, until: datetime | None = None, limit: int = 1000) -> History:
        return history(database, hours, since=since, until=until, limit=limit)

    return run


def test_each_attempt_is_told_with_what_it_did_and_what_it_changed(
    bookstore: Bookstore, load: Load, see: See, sql: Sql
) -> None:
    for content, again in ((BAD, False), (ONE, False), (BAD, True), (TWO, True)):
        bookstore.fill(HOUR, content)
        load(HOUR, again=again)
    bookstore.fill(HOUR + 1, ONE)
    load(HOUR + 1)
    found = documents.fitting(history_json(see(HOUR)))
    names = ("outcome", "rows_loaded", "books_sold_before", "books_sold", "sale_value_before", "sale_value")
    assert [tuple(each[name] for name in names) for each in found["attempts"]] == [
        ("reloaded", 1, 3, 3, "32.99", "3001.50"),
        ("failed", None, None, None, None, None),
        ("loaded", 2, None, 3, None, "32.99"),
        ("failed", None, None, None, None, None),
    ]
    newest: dict[str, Any] = found["attempts"][0]
    assert set(newest["seconds_by_phase"]) == {"list", "copy", "sums"}
    assert newest["seconds"] >= sum(newest["seconds_by_phase"].values()) - 0.01
    assert [(each["run_id"], each["version"]) for each in found["attempts"]] == sql(
        "select run_id::text, version from loads where hour = %s order by load_id desc", HOUR.start
    )
    text = history_table(see(HOUR)).splitlines()
    header = ["Started (UTC)", "Hour", "Outcome", "Seconds", "Copy", "List", "Sums", "Rows", "Rejected", "Books", "Sale value"]
    assert " ".join(text[0].split()) == " ".join(header)
    assert text[2].endswith("   3 → 3   32.99 → 3,001.50")
    # However often an hour failed for the same reason, that is told once, and whole.
    assert text[-2:] == ["", f"{HOUR} (2 attempts): {found['attempts'][1]['error']}"]
    assert "purchases-1.csv" in text[-1]


def test_attempts_are_found_by_their_hour_and_by_when_they_ended(sql: Sql, see: See) -> None:
    end = datetime(2024, 5, 9, 12, tzinfo=UTC)
    hours_ago = {number: 96 - number for number in range(96)}
    # The clock was wrong for a while.
    hours_ago[90] += 10
    for number, ago in hours_ago.items():
        sql(
            "insert into loads (run_id, hour, outcome, started_at, finished_at, version)"
            " values (gen_random_uuid(), %s, 'loaded', %s, %s, '1')",
            (HOUR + number % 5).start,
            end - timedelta(days=100),
            end - timedelta(hours=ago),
        )

    def ended(found: History) -> list[int]:
        return [(end - each.finished_at) // timedelta(hours=1) for each in found.attempts]

    newest = list(reversed(hours_ago.values()))
    assert ended(see(since=end - timedelta(hours=12))) == [ago for ago in newest if ago <= 12]
    assert ended(see(since=end - timedelta(hours=3), until=end - timedelta(hours=1))) == [2, 3]
    assert ended(see(until=end - timedelta(hours=95))) == [96]
    assert ended(see(HOUR, HOUR + 4)) == [ago for number, ago in reversed(hours_ago.items()) if number % 5 in (0, 4)]
    assert (ended(see(limit=2)), see(limit=2).is_cut, see(limit=96).is_cut) == ([1, 2], True, False)
    assert see(HOUR + 5) == History(())
