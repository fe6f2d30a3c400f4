from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bookreport.calendars import STEPS, UTC_CALENDAR, Calendar, Period, Unit, parse_last
from bookreport.errors import Usage
from bookreport.hours import Hour, Span

ZONES = ("UTC", "Europe/Madrid", "America/Sao_Paulo", "America/Havana", "America/New_York", "Pacific/Apia", "Pacific/Auckland")
zones = st.sampled_from(ZONES)
days = st.dates(date(2000, 1, 1), date(2035, 12, 31))
APIA_SKIPPED = date(2011, 12, 30)


def hours_of(calendar: Calendar, period: Period) -> list[Hour]:
    """The hours of a period; none where clocks skipped the day."""
    try:
        return list(calendar.span(period))
    except Usage:
        assert (calendar.name, period.first) == ("Pacific/Apia", APIA_SKIPPED)
        return []


@settings(max_examples=25, deadline=None)
@given(zones, days)
def test_days_tile_months_and_months_tile_years_without_gap_or_overlap(zone: str, day: date) -> None:
    calendar = Calendar.of(zone)
    year = Period(Unit.YEAR, day.replace(month=1, day=1))
    months = [Period(Unit.MONTH, date(day.year, month, 1)) for month in range(1, 13)]
    assert [hour for month in months for hour in calendar.span(month)] == list(calendar.span(year))
    month = months[day.month - 1]
    within = [Period(Unit.DAY, month.first + timedelta(days=number)) for number in range((month.end - month.first).days)]
    assert [hour for each in within for hour in hours_of(calendar, each)] == list(calendar.span(month))


@given(zones, days)
def test_the_hours_of_a_day_are_those_with_its_local_date(zone: str, day: date) -> None:
    noon = Hour(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    near = [noon + number for number in range(-48, 48)]
    expected = [hour for hour in near if hour.start.astimezone(ZoneInfo(zone)).date() == day]
    assert hours_of(Calendar.of(zone), Period(Unit.DAY, day)) == expected


@given(zones, st.sampled_from(STEPS), days, st.integers(0, 23), st.integers(1, 24 * 100))
def test_steps_tile_any_span_and_only_those_at_its_ends_are_partial(
    zone: str, by: Unit, day: date, hour: int, length: int
) -> None:
    since = Hour.of(day.year, day.month, day.day, hour)
    span = Span(since, since + length)
    steps = list(Calendar.of(zone).steps(span, by))
    assert (steps[0].span.since, steps[-1].span.until) == (span.since, span.until)
    assert all(one.span.until == other.span.since for one, other in pairwise(steps))
    assert all(step.is_whole for step in steps[1:-1])
    assert len({step.name for step in steps}) == len(steps)


@given(zones, st.sampled_from([Unit.DAY, Unit.MONTH, Unit.YEAR]), days, st.integers(1, 40))
def test_the_period_before_ends_where_this_one_begins_and_is_as_long(zone: str, unit: Unit, day: date, number: int) -> None:
    first = day if unit is Unit.DAY else day.replace(day=1) if unit is Unit.MONTH else day.replace(month=1, day=1)
    period, calendar = Period(unit, first, number), Calendar.of(zone)
    before = period.before
    assert before is not None
    assert (before.end, before.number) == (period.first, number)
    assume(APIA_SKIPPED not in (before.first, period.first))
    span = calendar.span_before(period)
    assert span is not None
    assert span.until == calendar.span(period).since


@pytest.mark.parametrize(
    ("zone", "unit", "text", "since", "hours"),
    [
        ("UTC", Unit.DAY, "2022-12-08", "2022-12-08T00", 24),
        ("UTC", Unit.MONTH, "2024-02", "2024-02-01T00", 29 * 24),
        ("UTC", Unit.YEAR, "2022", "2022-01-01T00", 365 * 24),
        ("Europe/Madrid", Unit.DAY, "2022-12-08", "2022-12-07T23", 24),
        ("Europe/Madrid", Unit.DAY, "2022-03-27", "2022-03-26T23", 23),
        ("Europe/Madrid", Unit.DAY, "2022-10-30", "2022-10-29T22", 25),
        ("Europe/Madrid", Unit.MONTH, "2022-10", "2022-09-30T22", 31 * 24 + 1),
        ("Europe/Madrid", Unit.YEAR, "2022", "2021-12-31T23", 365 * 24),
        ("America/Sao_Paulo", Unit.DAY, "2018-11-04", "2018-11-04T03", 23),
        ("America/Havana", Unit.DAY, "2022-11-06", "2022-11-06T04", 25),
        ("Pacific/Apia", Unit.MONTH, "2011-12", "2011-12-01T10", 30 * 24),
        # Half an hour is no hindrance where no day begins within an hour: Lord Howe's summer, Norfolk since 2015.
        ("Australia/Lord_Howe", Unit.DAY, "2022-12-08", "2022-12-07T13", 24),
        ("Pacific/Norfolk", Unit.DAY, "2022-12-08", "2022-12-07T12", 24),
    ],
)
def test_a_day_a_month_and_a_year_are_local_ones(zone: str, unit: Unit, text: str, since: str, hours: int) -> None:
    first = Hour.parse(since)
    assert Calendar.of(zone).span(Period.parse(unit, text)) == Span(first, first + hours)


@pytest.mark.parametrize(
    ("zone", "text", "reason"),
    [
        ("Asia/Kolkata", "2022-12-08", "begins at 18:30 UTC, within an hour"),
        ("Australia/Adelaide", "2022-12-08", "begins at 13:30 UTC"),
        ("Asia/Kathmandu", "2022-12-08", "begins at 18:15 UTC"),
        ("Australia/Lord_Howe", "2022-06-08", "begins at 13:30 UTC"),
        # Whole at its start, but not at its end.
        ("Australia/Lord_Howe", "2022-04-03", "2022-04-04 begins at 13:30 UTC"),
        ("Pacific/Norfolk", "2012-12-08", "begins at 12:30 UTC"),
        ("Europe/Madrid", "1800-12-08", "begins at 00:14 UTC"),
        ("Pacific/Apia", "2011-12-30", "there was no 2011-12-30"),
        ("Asia/Tokyo", "0001-01-01", "out of range"),
    ],
)
def test_a_day_that_is_not_of_whole_hours_is_refused_with_the_reason(zone: str, text: str, reason: str) -> None:
    with pytest.raises(Usage, match=reason):
        Calendar.of(zone).span(Period.parse(Unit.DAY, text))


def test_where_days_begin_within_an_hour_a_series_goes_by_hour_alone() -> None:
    calendar, since = Calendar.of("Asia/Kolkata"), Hour.parse("2022-12-08T01")
    span = Span(since, since + 3)
    assert [step.name for step in calendar.steps(span, Unit.HOUR)] == [
        f"2022-12-08T{hour}:30+05:30" for hour in ("06", "07", "08")
    ]
    with pytest.raises(Usage, match="within an hour"):
        list(calendar.steps(span, Unit.DAY))


def test_an_hour_is_named_so_that_the_command_line_takes_it() -> None:
    for hour in Span(Hour.parse("2022-10-29T22"), Hour.parse("2022-10-30T04")):
        assert Hour.parse(Calendar.of("Europe/Madrid").named(hour)) == hour
        assert UTC_CALENDAR.named(hour) == str(hour)


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        (Unit.DAY, "2022-12-08T00"),
        (Unit.DAY, "2022-12-8"),
        (Unit.DAY, "20221208"),
        (Unit.DAY, "2022-W49-4"),
        (Unit.DAY, "2022-02-29"),
        (Unit.DAY, "9999-01-01"),
        (Unit.MONTH, "2022-13"),
        (Unit.MONTH, "2022"),
        (Unit.MONTH, "2022-12-08"),
        (Unit.YEAR, "22"),
        (Unit.YEAR, "0000"),
        (Unit.YEAR, "9999"),
        (Unit.YEAR, "２０２２"),
    ],
)
def test_what_is_no_day_month_or_year_is_refused_with_an_example(unit: Unit, text: str) -> None:
    with pytest.raises(ValueError, match=f"is not a {unit}; write it like 2022"):
        Period.parse(unit, text)


@pytest.mark.parametrize(
    "name", ["Europe/Madird", "europe", "Europe", "", "../UTC", "/etc/passwd", "x\0y", "x" * 5000, "\udcff"]
)
def test_an_unknown_time_zone_is_refused_with_what_may_be_missing(name: str) -> None:
    with pytest.raises(ValueError, match="is known here; write it like Europe/Madrid"):
        Calendar.of(name)


@pytest.mark.parametrize(
    ("zone", "since", "until", "period"),
    [
        ("UTC", "2022-12-08T00", "2022-12-09T00", Period(Unit.DAY, date(2022, 12, 8))),
        ("UTC", "2022-12-01T00", "2023-01-01T00", Period(Unit.MONTH, date(2022, 12, 1))),
        ("UTC", "2022-01-01T00", "2023-01-01T00", Period(Unit.YEAR, date(2022, 1, 1))),
        ("UTC", "2022-12-01T00", "2023-02-01T00", Period(Unit.DAY, date(2022, 12, 1), 62)),
        ("UTC", "2022-12-08T00", "2022-12-09T01", None),
        ("UTC", "2022-12-08T01", "2022-12-09T01", None),
        ("UTC", "2022-12-08T01", "2022-12-08T02", None),
        ("Europe/Madrid", "2022-12-08T00", "2022-12-09T00", None),
        ("Europe/Madrid", "2022-10-29T22", "2022-10-30T23", Period(Unit.DAY, date(2022, 10, 30))),
        ("Asia/Kolkata", "2022-12-08T00", "2022-12-09T00", None),
        ("UTC", "9999-12-01T00", "9999-12-31T23", None),
        ("UTC", "9999-01-01T00", "9999-12-31T23", None),
        ("UTC", "0001-01-01T00", "0001-01-02T00", Period(Unit.DAY, date(1, 1, 1))),
    ],
)
def test_a_span_is_known_as_the_year_month_or_days_that_it_is(zone: str, since: str, until: str, period: Period | None) -> None:
    assert Calendar.of(zone).whole(Span(Hour.parse(since), Hour.parse(until))) == period


def test_where_the_calendar_ends_there_is_no_period_before() -> None:
    for unit in (Unit.DAY, Unit.MONTH, Unit.YEAR):
        assert Period(unit, date.min).before is None
        assert UTC_CALENDAR.span_before(Period(unit, date.min)) is None
    # The day before was skipped; there is nothing to compare with.
    assert Calendar.of("Pacific/Apia").span_before(Period(Unit.DAY, date(2011, 12, 31))) is None


@pytest.mark.parametrize(
    ("text", "last"), [("7d", (7, Unit.DAY)), ("1d", (1, Unit.DAY)), ("24h", (24, Unit.HOUR)), ("120m", (2, Unit.HOUR))]
)
def test_last_days_are_days_and_last_hours_are_hours(text: str, last: tuple[int, Unit]) -> None:
    assert parse_last(text) == last
