"""Hours that are loaded in full, and have far fewer or far more rows than that hour of the week usually has."""

import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import documents
from bookreport import reports, unusual
from bookreport.bucket import Bucket
from bookreport.check import Check, check
from bookreport.database import Database
from bookreport.health import status
from bookreport.hours import Hour, Span
from bookreport.present.report import report_json, report_table
from bookreport.present.state import status_json, status_text
from bookreport.present.words import as_json
from bookreport.unusual import Unusual
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from loading import Load
from truth import Purchase

WEEK = 7 * 24
SILENT = "no hour of the last week that has 4 weeks of history has far fewer or more rows than usual"

Find = Callable[[Hour, Hour], list[tuple[Hour, int, int]]]


@pytest.fixture
def find(database: Database) -> Find:
    """Finds the unusual hours of a span: their rows, and the usual number."""

    def run(since: Hour, until: Hour) -> list[tuple[Hour, int, int]]:
        with database.transaction(snapshot=True) as transaction:
            return [(each.hour, each.rows, each.usual) for each in unusual.find(transaction, since, until)]

    return run


def write_ledger(sql: Sql, hours: Iterable[tuple[Hour, str, int, bool]]) -> None:
    """Write the ledger anew: of each hour its state, its rows and whether its sums were kept; each was loaded when it ended."""
    hour, state, rows, kept = zip(*[(hour.start, *rest) for hour, *rest in hours], strict=True)
    sql("truncate ledger cascade")
    sql(
        "insert into ledger (hour, status, rows_loaded, sums_kept, loaded_at) select *, hour + interval '1 hour'"
        " from unnest(%s::timestamptz[], %s::text[], %s::bigint[], %s::boolean[]) as h (hour, state, rows, kept)",
        *map(list, (hour, state, rows, kept)),
    )


def write_loaded(sql: Sql, rows: Mapping[Hour, int]) -> None:
    write_ledger(sql, [(hour, "loaded", number, False) for hour, number in rows.items()])


def quantile(rows: list[int], fraction: float) -> int:
    return sorted(rows)[max(0, math.ceil(fraction * len(rows)) - 1)]


def expected(ledger: Mapping[Hour, tuple[str, int, bool]], hour: Hour) -> tuple[Hour, int, int] | None:
    """Return what is told of an hour, by plain Python."""
    state, rows, kept = ledger[hour]
    known = {other: number for other, (of, number, _) in ledger.items() if of in ("loaded", "pruned")}
    same = [known[hour + -WEEK * week] for week in range(1, 9) if hour + -WEEK * week in known]
    if not (state == "loaded" or kept) or len(same) < 4 or statistics.median_low(same) < 100:
        return None
    near = [hour + (beside - WEEK * week) for week in range(1, 9) for beside in (-1, 0, 1)]
    around = [known[other] for other in near if other in known]
    usual = statistics.median_low(same)
    few = rows * 1.5 < min(usual, quantile(around, 0.25))
    many = rows > 1.5 * max(usual, quantile(around, 0.75))
    assert not (few and many)
    return (hour, rows, usual) if few or many else None


states = st.sampled_from(["loaded"] * 9 + ["failed", "skipped", "pruned", "sums kept", "never"])
numbers = st.one_of(st.sampled_from([0, 66, 67, 99, 100, 101, 150, 151, 200, 300]), st.integers(0, 1000))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(states, numbers), min_size=50, max_size=50))
def test_what_is_unusual_is_what_plain_python_says(sql: Sql, find: Find, drawn: list[tuple[str, int]]) -> None:
    places = [HOUR + (beside - WEEK * week) for week in range(10) for beside in range(-2, 3)]
    ledger = {
        hour: ("pruned" if state == "sums kept" else state, rows, state == "sums kept")
        for hour, (state, rows) in zip(places, drawn, strict=True)
        if state != "never"
    }
    if not ledger:
        return
    write_ledger(sql, [(hour, *known) for hour, known in ledger.items()])
    told = {hour: told for hour in sorted(ledger) if (told := expected(ledger, hour))}
    assert find(min(ledger), max(ledger) + 1) == list(told.values())
    for hour in (HOUR, HOUR + -WEEK, HOUR + 1):
        assert find(hour, hour + 1) == ([told[hour]] if hour in told else [])


def test_the_usual_number_is_that_of_its_time(sql: Sql, find: Find) -> None:
    rows = {HOUR + -WEEK * week: 1000 if week > 9 else 5000 for week in range(20)}
    write_loaded(sql, rows)
    first = HOUR + -WEEK * 9
    told = find(min(rows), HOUR + 1)
    assert told[0] == (first, 5000, 1000)
    # With three of eight weeks, the new number is within the quartiles.
    assert [hour for hour, _, _ in told] == [first + WEEK * week for week in range(3)]


def test_hours_that_were_unusual_themselves_do_not_hide_a_later_one(sql: Sql, find: Find) -> None:
    rows = {HOUR + (beside - WEEK * week): 1000 for week in range(9) for beside in (-1, 0, 1)}
    for week, number in ((2, 0), (5, 480), (7, 2000)):
        rows[HOUR + -WEEK * week] = number
    write_loaded(sql, rows | {HOUR: 500})
    assert find(HOUR, HOUR + 1) == [(HOUR, 500, 1000)]


def test_no_hour_has_too_many_rows_that_has_fewer_than_usual(sql: Sql, find: Find) -> None:
    beside = {HOUR + (number - WEEK * week): 210 for week in range(9) for number in (-1, 1)}
    same = {HOUR + -WEEK * week: 200 if week < 4 else 400 for week in range(9)}
    write_loaded(sql, beside | same | {HOUR: 350})
    assert find(HOUR, HOUR + 1) == []


def test_a_clock_that_is_put_forward_makes_no_hour_unusual(sql: Sql, find: Find) -> None:
    shape = [100, 100, 200, 400, 800, 1600, 1600, 1600, 800, 400, 200, 100]
    night = HOUR + -13
    hours = [night + (number - WEEK * week) for week in range(9) for number in range(24)]
    write_loaded(sql, {hour: shape[(hour.start.hour + (hour >= night)) // 2 % 12] for hour in hours})
    assert find(night, night + 24) == []


@pytest.fixture
def looked(database: Database, bucket: Bucket) -> Callable[[], Check]:
    """What `check` says of unusual hours."""

    def run() -> Check:
        return next(found for found in check(database, bucket, "Spanish") if found.name == "unusual")

    return run


def sales(number: int) -> bytes:
    return csv_file([Purchase(f"u{each}", ENGLISH) for each in range(number)])


def test_a_complete_hour_without_half_of_its_files_is_told_everywhere_until_it_is_reloaded(
    bookstore: Bookstore, load: Load, database: Database, bucket: Bucket, looked: Callable[[], Check]
) -> None:
    files = [sales(60), sales(60)]
    for week in range(4, 0, -1):
        bookstore.fill(HOUR + -WEEK * week, *files)
        assert load(HOUR + -WEEK * week).rows_loaded == 120
    bookstore.fill(HOUR, files[0])
    assert load(HOUR).outcome == "loaded"

    def told() -> tuple[list[object], str]:
        found = status(database, bucket, lookback=timedelta(days=7))
        made = reports.make_report(database, Span(HOUR + -1, HOUR + 1))
        document = documents.read(as_json(report_json(made)))
        assert documents.read(as_json(status_json(found)))["unusual"] == document["coverage"]["unusual"]
        return document["coverage"]["unusual"], f"{status_text(found)}\n{report_table(made)}"

    sentence = f"1 hour has far fewer rows than usual: {HOUR} (60, usually 120)"
    unusual_hours, text = told()
    assert unusual_hours == [{"hour": HOUR.instant, "rows": 60, "usual": 120}]
    assert f"\nUnusual   {sentence}\n" in text
    assert f"\n{sentence}\n" in text
    found = looked()
    assert (found.ok, found.message) == (False, f"{HOUR} has 60 rows, usually 120")
    assert found.hint == f"did all of its files come? Once they are right: bookreport run-hour --hour {HOUR}"
    bookstore.fill(HOUR, *files)
    load(HOUR, again=True)
    unusual_hours, text = told()
    assert (unusual_hours, "usual" in text) == ([], False)
    assert (looked().ok, looked().message) == (True, SILENT)


def test_an_episode_fails_a_check_once_and_is_told_for_a_week(
    bookstore: Bookstore, sql: Sql, looked: Callable[[], Check]
) -> None:
    bookstore.close(HOUR)
    rows = {HOUR + -number: 1000 for number in range(WEEK * 9)}

    def write(few: Iterable[int], now: Iterable[int]) -> None:
        write_loaded(sql, rows | {HOUR + -number: 300 for number in few})
        for number in now:
            sql("update ledger set loaded_at = now() - interval '10 minutes' where hour = %s", (HOUR + -number).start)

    write(few=(), now=range(3))
    assert (looked().ok, looked().message) == (True, SILENT)
    write(few=[0], now=[0])
    assert (looked().ok, looked().message) == (False, f"{HOUR} has 300 rows, usually 1,000")
    # An hour later, and while it goes on, it is no news: not even after a few better hours.
    write(few=[0], now=[])
    assert (looked().ok, looked().message) == (True, f"{HOUR} has 300 rows, usually 1,000")
    write(few=[0, 1, 2, 20], now=[0, 1, 2])
    assert looked().ok
    assert "4 hours of the last week are unusual (see: bookreport status)" in looked().message
    # The next episode is news again; one of a week ago is no more.
    write(few=[0, 25], now=[0])
    assert not looked().ok
    write(few=[WEEK + 1], now=[])
    assert looked().message == SILENT


def test_too_few_and_too_many_rows_are_episodes_of_their_own() -> None:
    made = [
        Unusual(HOUR + number, rows, 100, HOUR.start) for number, rows in ((0, 40), (1, 200), (24, 40), (49, 40), (50, 200))
    ]
    assert [each.hour for each in unusual.first_of_episodes(made)] == [HOUR, HOUR + 1, HOUR + 49, HOUR + 50]


BERLIN = ZoneInfo("Europe/Berlin")
BY_HOUR = (35, 20, 12, 8, 7, 10, 20, 40, 65, 85, 100, 110, 120, 115, 105, 105, 110, 125, 145, 170, 185, 170, 120, 70)
BY_WEEKDAY = (1.0, 0.97, 0.95, 1.0, 1.02, 1.1, 1.15)
HOLIDAYS = {(1, 1): 0.55, (3, 29): 0.8, (4, 1): 0.7, (5, 1): 0.75, (5, 9): 0.8, (10, 3): 0.8, (11, 1): 0.8, (12, 24): 0.45,
            (12, 25): 0.4, (12, 26): 0.6, (12, 31): 0.6, (11, 29): 2.2, (11, 30): 1.5}  # fmt: skip


def shop(seed: int, size: int, since: Hour, weeks: int) -> Iterator[tuple[Hour, int]]:
    """Yield the rows of each hour of a shop: its nights, weekends, growth by half a year, chance, and what a year brings.

    Clocks that change, holidays, a Black Friday, a December that sells twice as much, and a promotion of three hours a month.
    """
    chance = random.Random(seed)
    today, weather, promotion = None, 1.0, range(0)
    for hour in Span(since, since + weeks * WEEK):
        local = hour.start.astimezone(BERLIN)
        if local.date() != today:
            today, weather = local.date(), math.exp(chance.gauss(0, 0.1))
            starts = chance.choice(range(8, 20))
            promotion = range(starts, starts + 3) if chance.random() < 12 / 365 else range(0)
        mean = size * BY_HOUR[local.hour] / 100 * BY_WEEKDAY[local.weekday()] * december(local) * weather
        mean *= HOLIDAYS.get((local.month, local.day), 1) * 1.5 ** ((hour.start - since.start) / timedelta(days=365))
        mean *= (2 if local.hour in promotion else 1) * math.exp(chance.gauss(0, 0.1))
        yield hour, max(0, round(chance.gauss(mean, math.sqrt(mean))))


def december(local: datetime) -> float:
    if local.month == 11:
        return 1 + 0.025 * max(0, local.day - 14)
    return 1 if local.month != 12 else 1.2 if local.day > 23 else 1.4 + 0.03 * min(local.day, 20)


def quiet(hour: Hour) -> bool:
    """Whether nothing special happens about then: no holiday, no season, no change of the clocks."""
    days = [hour.start.astimezone(BERLIN) + timedelta(days=number) for number in (-1, 0, 1)]
    return not any((day.month, day.day) in HOLIDAYS for day in days) and 4 < days[1].month < 10


def test_in_a_shops_year_few_hours_are_told_and_many_wrong_ones_are_among_them(sql: Sql, find: Find) -> None:
    since = Hour.parse("2023-10-30T00")
    rows = dict(shop(1, 5000, since, 52 + 9))
    write_loaded(sql, rows)
    span = Span(since + 9 * WEEK, max(rows) + 1)
    alarms = find(span.since, span.until)
    episodes = list(unusual.first_of_episodes(Unusual(*alarm, HOUR.start) for alarm in alarms))
    assert 5 < len(episodes) < 40
    assert sum(quiet(each.hour) and each.is_few for each in episodes) < 6
    seen = {"half": 0, "twice": 0, "nothing": 0}
    sampled = random.Random(2).sample(list(span), 200)
    for hour in sampled:
        for what, wrong in (("half", rows[hour] // 2), ("twice", 2 * rows[hour]), ("nothing", 0)):
            sql("update ledger set rows_loaded = %s where hour = %s", wrong, hour.start)
            seen[what] += len(find(hour, hour + 1))
        sql("update ledger set rows_loaded = %s where hour = %s", rows[hour], hour.start)
    print(f"{len(episodes)} episodes a year, {len(alarms)} hours; of {len(sampled)} wrong hours, seen: {seen}")
    assert seen["half"] > 80
    assert seen["twice"] > 80
    assert seen["nothing"] == len(sampled)
