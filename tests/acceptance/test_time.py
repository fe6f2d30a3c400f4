"""The command at odd times: sentinel dates, mistyped years, a shop that is a few hours old."""

import json

import pytest

from bookreport.hours import EARLIEST, FIRST, Hour
from bookstore import ENGLISH, HOUR, SPANISH, Bookstore, csv_file
from connection import Sql
from running import Run
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH), Purchase("ben", SPANISH)])
SENTINELS = (FIRST, Hour.of(9999, 12, 31, 23))
FUTURE = Hour.of(2062, 5, 1, 13)


COMMANDS = (
    ("ingest", "--dry-run"),
    ("ingest",),
    ("ingest", "--all", "--changed"),
    ("run-hour",),
    ("status",),
    ("status", "--since", "0001-01-01T00"),
    ("verify",),
    ("report", "--last", "7d"),
    ("report", "--last", "7d", "--format", "html"),
    ("report", "--since", "0001-01-01T00", "--until", "0001-01-02T00", "--format", "html"),
    ("rejects",),
    ("history", "--since", "0001-01-01T00"),
    ("prune", "--before", str(EARLIEST)),
    ("prune", "--before", "0001-01-02T00", "--keep-sums"),
    ("prune", "--from", "2062-01-01T00"),
    ("refresh",),
)


@pytest.mark.parametrize("loaded", [False, True])
def test_dates_that_stand_for_none_break_no_command(bookstore: Bookstore, bookreport: Run, sql: Sql, loaded: bool) -> None:
    for hour in (*SENTINELS, HOUR, FUTURE):
        bookstore.fill(hour, FILE)
    if loaded:
        # The very last hour can never be loaded: its end is no valid instant.
        for hour in (FIRST, FUTURE, SENTINELS[1] + -1):
            sql("insert into ledger (hour, status, loaded_at) values (%s, 'loaded', now())", hour.start)
    for command in COMMANDS:
        ended = bookreport(*command)
        assert ended.code in (0, 3, 4), (command, ended.err)
        assert "unexpected" not in ended.err
    assert sql("select hour from purchases group by hour") == [(HOUR.start,)]
    assert bookreport("check").code == 6


def test_a_mistyped_year_is_named_with_what_to_do_and_keeps_nothing_from_being_loaded(
    bookstore: Bookstore, bookreport: Run
) -> None:
    for hour in (HOUR, FUTURE):
        bookstore.fill(hour, FILE)
    ended = bookreport("run-hour", "--json")
    assert (ended.code, [made["hour"] for made in ended.json["hours"]]) == (0, [HOUR.instant])
    assert ended.json["far_off"] == [{"prefix": "year=2062/", "since": "2062-01-01T00:00:00Z", "until": "2063-01-01T00:00:00Z"}]
    assert ended.err.count("year=2062/") == 1
    told = bookreport("check", "--json")
    [time] = [found for found in told.json["checks"] if found["name"] == "time"]
    assert (told.code, time["ok"]) == (6, False)
    assert f"s3://{bookstore.bucket}/year=2062/" in time["message"]
    assert "year=2062/ (implausible dates, ignored)" in bookreport("status").out


@pytest.mark.parametrize("hour", [*SENTINELS[:1], FUTURE, Hour.of(1994, 12, 31, 23)])
@pytest.mark.parametrize("words", [("ingest",), ("ingest", "--dry-run"), ("run-hour",)])
def test_an_hour_out_of_time_is_refused_by_name(
    bookstore: Bookstore, bookreport: Run, sql: Sql, words: tuple[str, ...], hour: Hour
) -> None:
    bookstore.fill(hour, FILE)
    ended = bookreport(*words, "--hour", str(hour), "--json")
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (3, "not-ready", hour.instant)
    assert sql("select count(*) from ledger") == [(0,)]


def test_a_future_hour_that_was_loaded_is_taken_out_by_what_check_says(bookstore: Bookstore, bookreport: Run, sql: Sql) -> None:
    bookstore.fill(HOUR, FILE)
    assert bookreport("ingest").code == 0
    sql("insert into ledger (hour, status, loaded_at) values (%s, 'loaded', now())", FUTURE.start)
    ended = bookreport("check", "--json")
    [time] = [found for found in ended.json["checks"] if found["name"] == "time"]
    assert (ended.code, time["hint"]) == (6, f"remove them: bookreport prune --from {FUTURE}")
    for dry, left in (("--dry-run", 2), ("-v", 1)):
        ended = bookreport("prune", "--from", str(FUTURE), "--json", dry)
        assert (ended.code, ended.json["hours"]) == (0, 1)
        assert sql("select count(*) from ledger") == [(left,)]
    assert bookreport("prune", "--from", str(HOUR), "--json").error["kind"] == "usage"
    assert bookreport("check").code == 0


def test_hours_before_the_first_of_a_new_shop_are_no_gap(bookstore: Bookstore, bookreport: Run) -> None:
    for number in (1, 2, 4):
        bookstore.fill(HOUR + number, FILE)
    assert bookreport("run-hour", "--hour", str(HOUR + 4)).code == 0
    # Nothing is known yet of what the bucket holds before it.
    assert bookreport("report", "--last", "168h", "--json").json["coverage"]["hours_expected"] == 168
    assert bookreport("ingest").code == 0
    ended = bookreport("report", "--last", "168h", "--json")
    coverage = ended.json["coverage"]
    assert (coverage["hours_expected"], coverage["hours_loaded"], coverage["hours_before_first"]) == (4, 3, 164)
    assert (coverage["missing"], coverage["complete"]) == ([(HOUR + 3).instant], False)
    series = bookreport("report", "--last", "168h", "--by", "hour", "--json").json["series"]
    assert [each["since"] for each in series] == [(HOUR + number).instant for number in (1, 2, 3, 4)]
    bookstore.fill(HOUR + 3, FILE)
    assert bookreport("ingest").code == 0
    assert bookreport("report", "--last", "168h", "--require-complete").code == 0
    told = bookreport("report", "--last", "24h", "--compare", "previous").out
    assert "4 of 4 hours are loaded; 20 hours of the span lie before the shop's first" in told
    assert "No comparison with the preceding span: 24 hours of the preceding span lie before the shop's first" in told
    page = bookreport("report", "--last", "168h", "--format", "html").out
    assert "too low" not in page
    assert "not loaded" not in page


def test_an_open_hour_before_the_first_loaded_one_is_a_gap(bookstore: Bookstore, bookreport: Run) -> None:
    bookstore.write(HOUR, "purchases-1.csv", FILE)
    bookstore.fill(HOUR + 2, FILE)
    assert bookreport("ingest").code == 0
    coverage = bookreport("report", "--last", "168h", "--json").json["coverage"]
    assert coverage["missing"] == [HOUR.instant, (HOUR + 1).instant]


def test_a_trial_of_the_newest_hour_hides_no_history(bookstore: Bookstore, bookreport: Run) -> None:
    hours = [HOUR + 24 * 30 * number for number in range(4)]
    for hour in hours:
        bookstore.fill(hour, FILE)
    assert bookreport("run-hour", "--hour", str(hours[-1])).code == 0
    ended = bookreport("ingest", "--json")
    assert [made["hour"] for made in ended.json["hours"]] == [hour.instant for hour in hours[:-1]]
    assert (ended.json["looked_from"], "searching from" in ended.err) == (None, False)
    bookstore.fill(hours[0] + 1, FILE)
    since = hours[-1] + -24 * 7
    ended = bookreport("ingest", "--json")
    assert (ended.json["hours"], ended.json["looked_from"]) == ([], since.instant)
    assert f"searching from {since} on" in ended.err
    told = bookreport("status", "--json").json
    assert (told["before_look_back"], told["looked_from"]) == (1, since.instant)
    assert "looked_from" not in bookreport("ingest", "--hour", str(HOUR), "--json").json
    assert bookreport("ingest", "--all", "--json").json["loaded"] == 1
    assert bookreport("status", "--json").json["before_look_back"] == 0


@pytest.mark.parametrize("text", ["90m", "1m"])
def test_a_look_back_is_of_whole_hours(bookreport: Run, text: str) -> None:
    for command in (("ingest",), ("run-hour",), ("status",), ("check",)):
        ended = bookreport(*command, BOOKREPORT_LOOKBACK=text)
        assert ended.code == 6
        assert "BOOKREPORT_LOOKBACK" in ended.out + ended.err


@pytest.mark.parametrize("text", ["0", "9999", "-5", "MM", "19.5"])
def test_a_first_year_is_a_year(bookreport: Run, text: str) -> None:
    for command in (("ingest",), ("status",), ("check",), ("report",)):
        ended = bookreport(*command, BOOKREPORT_FIRST_YEAR=text)
        assert ended.code == 6
        assert "BOOKREPORT_FIRST_YEAR" in ended.out + ended.err


def test_a_first_year_of_any_age_breaks_nothing(bookstore: Bookstore, bookreport: Run) -> None:
    bookstore.fill(FIRST + 5, FILE)
    for command in (*COMMANDS[1:11], ("status", "--json"), ("ingest", "--changed")):
        ended = bookreport(*command, BOOKREPORT_FIRST_YEAR="1", BOOKREPORT_LOOKBACK="99999d")
        assert ended.code == 0, (command, ended.err)
    ended = bookreport("report", "--last", "7d", "--json", BOOKREPORT_FIRST_YEAR="1")
    assert json.loads(ended.out)["window"]["since"] == FIRST.instant


def test_a_skipped_hour_that_was_mistyped_is_no_first_hour_and_makes_no_gap(bookreport: Run, bookstore: Bookstore) -> None:
    bookstore.fill(HOUR, FILE)
    assert bookreport("migrate").code == bookreport("ingest").code == 0
    assert bookreport("skip", "--hour", str(HOUR + -24 * 365 * 20), "--reason", "typo", "--far").code == 0
    assert bookreport("status", "--json").json["missing_hours"] == 0
    assert bookreport("report", "--last", "24h", "--json").json["coverage"]["hours_before_first"] == 23


def test_an_hour_in_the_future_is_not_skipped(bookreport: Run) -> None:
    assert bookreport("migrate").code == 0
    ended = bookreport("skip", "--hour", "2062-05-01T13", "--reason", "typo")
    assert (ended.code, "2062-05-01T13 is in the future" in ended.err) == (2, True)
