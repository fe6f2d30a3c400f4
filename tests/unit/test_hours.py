from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookreport.hours import EARLIEST, LAST, Hour, Slice, Span, believable, in_words, parse_duration, parse_hours

FIRST = datetime(2022, 12, 8, 1, tzinfo=UTC)
hours = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(  # noqa: DTZ001
    lambda moment: Hour.of(moment.year, moment.month, moment.day, moment.hour)
)


@pytest.mark.parametrize(
    "text",
    [
        "2022-12-08T01",
        "2022-12-08T01Z",
        "2022-12-08T01:00",
        "2022-12-08T01:00Z",
        "2022-12-08T01:00:00",
        "2022-12-08T01:00:00Z",
        "2022-12-08T01:00:00+00:00",
        "2022-12-08T03:00+02:00",
        "2022-12-08T03:00:00+0200",
        "2022-12-08T03:00+02",
        "2022-12-07T20:00:00-05:00",
        "2022-12-08T15:00:00+14:00",
    ],
)
def test_an_hour_is_understood_as_it_may_be_written(text: str) -> None:
    assert Hour.parse(text).start == FIRST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last",
        "2022-12-08",
        "2022-12-08T1",
        "2022-12-8T01",
        "22-12-08T01",
        "2022-12-08 01",
        "2022-12-08t01",
        "2022-12-08T01z",
        "2022-12-08T01:30",
        "2022-12-08T01:00:01",
        "2022-12-08T01:00:00.000",
        "2022-12-08T24",
        "2022-12-08T24:00:00Z",
        "2022-13-08T01",
        "2022-02-29T01",
        "0000-01-01T00",
        "2024-05-01T13-02",
        "2024-05-01T13+02",
        "2024-05-01T13-15",
        "2024-05-01T13:00-05:30",
        "2024-05-01T13:00+15:00",
        "2024-05-01T13:00ZZ",
        "2024-05-01T13Z+02",
        "0001-01-01T00:00+01:00",
        "9999-12-31T23:00-01:00",
        " 2022-12-08T01",
        "2022-12-08T01\n",
        "２０２２-12-08T01",
        "20221208T01",
        "2022-W49-4T01",
        "2022-12-08T01/2022-12-08T02",
    ],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 2022-12-08T01"):
        Hour.parse(text)


@given(hours)
def test_an_hour_printed_is_the_hour_again(hour: Hour) -> None:
    assert Hour.parse(str(hour)) == hour
    assert Hour.parse(hour.instant) == hour


@given(hours)
def test_the_partition_names_the_hour_and_no_other(hour: Hour) -> None:
    parts = dict(part.split("=") for part in hour.partition.rstrip("/").split("/"))
    assert [len(number) for number in parts.values()] == [4, 2, 2, 2]
    assert Hour.of(*(int(parts[name]) for name in ("year", "month", "day", "hour"))) == hour


@given(hours, st.integers(-14, 14))
def test_an_offset_names_the_same_instant(hour: Hour, offset: int) -> None:
    local = hour.start.astimezone(timezone(timedelta(hours=offset)))
    assert Hour.parse(local.isoformat()) == hour


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        hour = Hour.parse(text)
    except ValueError:
        return
    assert Hour.parse(str(hour)) == hour


@given(hours, st.integers(1, 1000))
def test_a_span_has_its_first_hour_and_not_its_last(hour: Hour, length: int) -> None:
    if hour.start > datetime(9999, 1, 1, tzinfo=UTC):
        hour = Hour(hour.start - timedelta(days=365))
    span = Span(hour, hour + length)
    assert len(span) == length == len(list(span))
    assert span.since in span
    assert span.until not in span
    assert all(here + 1 == following for here, following in zip(list(span), list(span)[1:], strict=False))


def test_an_empty_span_is_refused() -> None:
    hour = Hour(FIRST)
    with pytest.raises(ValueError, match="the span is empty"):
        Span(hour, hour)
    with pytest.raises(ValueError, match="the span is empty"):
        Span(hour + 1, hour)


@pytest.mark.parametrize(
    "start",
    [
        datetime(2022, 12, 8, 1),  # noqa: DTZ001 - no zone is what is refused
        datetime(2022, 12, 8, 1, 30, tzinfo=UTC),
        datetime(2022, 12, 8, 1, 0, 0, 1, tzinfo=UTC),
        datetime(2022, 12, 8, 1, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_only_a_whole_utc_hour_is_an_hour(start: datetime) -> None:
    with pytest.raises(ValueError, match="not a"):
        Hour(start)


@pytest.mark.parametrize(
    ("now", "last"),
    [
        (datetime(2024, 5, 1, 13, 0, 0, tzinfo=UTC), "2024-05-01T12"),
        (datetime(2024, 5, 1, 13, 59, 59, 999999, tzinfo=UTC), "2024-05-01T12"),
        (datetime(2024, 1, 1, 0, 30, tzinfo=UTC), "2023-12-31T23"),
        (datetime(2024, 5, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))), "2024-04-30T22"),
    ],
)
def test_last_is_the_newest_hour_that_has_ended(now: datetime, last: str) -> None:
    assert str(Hour.last(now)) == last


@pytest.mark.parametrize(
    ("text", "duration"), [("40m", timedelta(minutes=40)), ("24h", timedelta(days=1)), ("7d", timedelta(days=7))]
)
def test_a_duration_is_a_number_and_a_unit(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "7", "d", "0h", "-1h", "1.5h", "7 d", "7D", "1w", "1h30m", "9999999d"])
def test_any_other_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 40m, 24h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "hours"), [("60m", 1), ("180m", 3), ("24h", 24), ("7d", 168)])
def test_hours_may_be_written_in_any_unit(text: str, hours: int) -> None:
    assert parse_hours(text) == hours


@pytest.mark.parametrize("text", ["90m", "1m", "61m", "soon", "0h", ""])
def test_hours_that_are_not_whole_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours|duration"):
        parse_hours(text)


NOON, LATER = (datetime(2024, 5, 1, 12, minute, tzinfo=UTC) for minute in (0, 59))


@pytest.mark.parametrize(
    ("clocks", "until"),
    [
        ([NOON], "2024-05-01T14"),
        ([LATER], "2024-05-01T14"),
        ([LATER, NOON + timedelta(days=900), None], "2024-05-01T14"),
        ([NOON, datetime(1970, 1, 1, tzinfo=UTC)], "2024-05-01T14"),
        ([None], str(LAST)),
        ([datetime(1970, 1, 1, tzinfo=UTC)], str(LAST)),
    ],
)
def test_an_hour_may_begin_an_hour_after_now_by_the_slowest_clock_that_was_set(
    clocks: list[datetime | None], until: str
) -> None:
    assert believable(EARLIEST, clocks) == Span(EARLIEST, Hour.parse(until))


def test_the_calendar_has_ends() -> None:
    first = Hour.of(1, 1, 1, 0)
    assert Span(first + 1, first + 2).before == Span(first, first + 1)
    assert Span(first + 1, first + 3).before is None
    assert Hour.of(9999, 12, 5, 0).next_month == LAST
    assert list(reversed(Span(first, first + 2))) == [first + 1, first]


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (-1, "0 h 0 min"),
        (0.99, "0 h 59 min"),
        (26.2, "26 h 12 min"),
        (167.99, "167 h 59 min"),
        (168, "7 d 0 h"),
        (99999, "4,166 d 15 h"),
    ],
)
def test_a_duration_in_words(hours: float, words: str) -> None:
    assert in_words(timedelta(hours=hours)) == words


@pytest.mark.parametrize("text", ["0/30", "31/30", "1/0", "1", "/30", "-1/30", "1/30 ", "1/1000", "1.5/30", "١/30", ""])
def test_a_slice_is_one_of_so_many_and_written_so(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 1/30"):
        Slice.parse(text)


def test_a_slice_may_be_a_day_of_the_month_as_the_shell_writes_it() -> None:
    assert (Slice.parse("08/31"), str(Slice.parse("08/31"))) == (Slice(8, 31), "8/31")
