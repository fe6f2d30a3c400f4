"""Days, weeks, months and years of a time zone, as spans of UTC hours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bookreport.errors import Usage
from bookreport.hours import ONE_HOUR, Hour, Span, parse_hours

LONGEST_BY_HOUR, LONGEST_BY_DAY = timedelta(days=4), timedelta(days=93)
"""The longest spans whose series goes by hour and by day, unless it is said; a longer one's goes by month."""


class Unit(StrEnum):
    """What steps of a series and calendar spans are made of; a week is ISO 8601's, from Monday to Sunday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


STEPS = (Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH)
"""The units that a series may go by."""

_WRITTEN = {
    Unit.DAY: (re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}"), "", "2022-12-08"),
    Unit.MONTH: (re.compile("[0-9]{4}-[0-9]{2}"), "-01", "2022-12"),
    Unit.YEAR: (re.compile("[0-9]{4}"), "-01-01", "2022"),
}
"""How a day, month or year is written, what completes it to its first day, and an example."""


@dataclass(frozen=True)
class Period:
    """`number` whole days, weeks, months or years in a row; `first` is the first day."""

    unit: Unit
    first: date
    number: int = 1

    @classmethod
    def parse(cls, unit: Unit, text: str) -> Period:
        """Return the day, month or year that `text` names, such as `2022-12-08`, `2022-12`, `2022`; raises ValueError."""
        pattern, rest, example = _WRITTEN[unit]
        if pattern.fullmatch(text):
            with suppress(ValueError):
                first = date.fromisoformat(text + rest)
                # The calendar's last year has no end.
                if first.year < date.max.year:
                    return cls(unit, first)
        raise ValueError(f"{text!r} is not a {unit}; write it like {example}")

    @property
    def end(self) -> date:
        """The day after the last."""
        return _moved(self.first, self.unit, self.number)

    @property
    def before(self) -> Period | None:
        """As many days, weeks, months or years right before these; None if the calendar has none."""
        try:
            return Period(self.unit, _moved(self.first, self.unit, -self.number), self.number)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class Step:
    """One step of a series: the hours of an hour, a day, a week or a month that lie within the series' span.

    `name` says which, in its time zone: `2022-12-08T13` (elsewhere than in UTC, `2022-12-08T13:00+01:00`), `2022-12-08`,
    `2022-W49`, `2022-12`. `is_whole`: all of its hours lie within the span.
    """

    name: str
    span: Span
    is_whole: bool = True


@dataclass(frozen=True)
class Calendar:
    """The calendar of one time zone: UTC, or one of the system's time zone database."""

    zone: ZoneInfo | timezone = UTC

    @classmethod
    def of(cls, name: str) -> Calendar:
        """Return the calendar of the time zone of that name, such as `Europe/Madrid`; raises ValueError if it isn't known."""
        if name == "UTC":
            return cls()
        try:
            return cls(ZoneInfo(name))
        # What the name leads to may be a folder, or no time zone.
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"no time zone {name!r} is known here; write it like Europe/Madrid"
                " (if that isn't known either, install tzdata: the system's package, or Python's)"
            ) from error

    @property
    def name(self) -> str:
        return str(self.zone)

    @property
    def is_utc(self) -> bool:
        return self.zone is UTC

    def local(self, hour: Hour) -> datetime:
        """Return an hour's start by the clocks of the time zone; raises Usage if that is out of range."""
        try:
            return hour.start.astimezone(self.zone)
        except OverflowError as error:
            raise Usage(f"{hour} is out of range in {self.name}") from error

    def today(self, now: datetime) -> date:
        return now.astimezone(self.zone).date()

    def midnight(self, day: date) -> Hour:
        """Return the hour with which a day begins, where the clocks pass midnight: the first time, if they do so twice.

        Raises Usage if that is within a UTC hour, or out of range.
        """
        local = datetime(day.year, day.month, day.day, tzinfo=self.zone)
        try:
            start = local.astimezone(UTC)
        except OverflowError as error:
            raise Usage(f"{day} is out of range in {self.name}") from error
        if start.replace(minute=0, second=0, microsecond=0) != start:
            raise Usage(
                f"in {self.name}, {day} begins at {start:%H:%M} UTC, within an hour; figures are of whole UTC hours",
                hint="give --since and --until as hours, or a --timezone whose days begin with an hour, such as UTC",
            )
        return Hour(start)

    def span(self, period: Period) -> Span:
        """Return the hours of a period; raises Usage if it begins or ends within an hour, or if it has none."""
        since, until = self.midnight(period.first), self.midnight(period.end)
        if since == until:
            raise Usage(f"there was no {period.first} in {self.name}: its clocks skipped that day")
        return Span(since, until)

    def span_before(self, period: Period) -> Span | None:
        """Return the hours of the period before; None if that has none, or begins within an hour."""
        before = period.before
        with suppress(Usage):
            return None if before is None else self.span(before)
        return None

    def unit_for(self, span: Span) -> Unit:
        """Return what the series of a span goes by unless it is said."""
        length = len(span) * ONE_HOUR
        return Unit.HOUR if length <= LONGEST_BY_HOUR else Unit.DAY if length <= LONGEST_BY_DAY else Unit.MONTH

    def steps(self, span: Span, unit: Unit) -> Iterator[Step]:
        """Yield the steps that a span is made of, each once and in order; only the first and the last may be partial.

        Raises Usage if one begins within an hour.
        """
        if unit is Unit.HOUR:
            for hour in span:
                yield Step(self.named(hour), Span.of_hour(hour))
            return
        first = _first_day(self.local(span.since).date(), unit)
        since = self.midnight(first)
        while since < span.until:
            after = _moved(first, unit, 1)
            until = self.midnight(after)
            # Where clocks skip a day, it has no hours.
            if since < until:
                part = Span(max(since, span.since), min(until, span.until))
                yield Step(_step_name(first, unit), part, is_whole=part == Span(since, until))
            first, since = after, until

    def named(self, hour: Hour) -> str:
        """Return an hour as the command line takes it: in UTC as `2022-12-08T01`, elsewhere with minutes and offset."""
        return str(hour) if self.is_utc else self.local(hour).isoformat(timespec="minutes")

    def whole(self, span: Span) -> Period | None:
        """Return the year, the month or the days that a span is; None if it is made of none."""
        since, until = self.local(span.since), self.local(span.until)
        for unit in (Unit.YEAR, Unit.MONTH, Unit.DAY):
            number = 1 if unit is not Unit.DAY else (until.date() - since.date()).days
            period = Period(unit, since.date(), number)
            with suppress(Usage, ValueError, OverflowError):
                if number and _first_day(period.first, unit) == period.first and self.span(period) == span:
                    return period
        return None


UTC_CALENDAR = Calendar()


def _first_day(day: date, unit: Unit) -> date:
    """Return the first day of the unit that `day` is in."""
    if unit is Unit.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit is Unit.MONTH else day.replace(month=1, day=1) if unit is Unit.YEAR else day


def _moved(day: date, unit: Unit, number: int) -> date:
    """Return the day that is `number` units later; raises ValueError or OverflowError if the calendar has none."""
    if unit in (Unit.DAY, Unit.WEEK):
        return day + number * timedelta(days=7 if unit is Unit.WEEK else 1)
    month = 12 * day.year + day.month - 1 + number * (12 if unit is Unit.YEAR else 1)
    return day.replace(year=month // 12, month=month % 12 + 1)


def _step_name(first: date, unit: Unit) -> str:
    if unit is Unit.WEEK:
        year, week, _ = first.isocalendar()
        return f"{year:04}-W{week:02}"
    return first.isoformat()[: 7 if unit is Unit.MONTH else 10]


def parse_last(text: str) -> tuple[int, Unit]:
    """Return how many days `text` names, such as `7d`, or how many hours, such as `24h`; raises ValueError otherwise."""
    hours = parse_hours(text)
    return (hours // 24, Unit.DAY) if text.endswith("d") else (hours, Unit.HOUR)
