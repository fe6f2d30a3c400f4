"""Hours and spans of hours, in UTC: parse, print, count."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

ONE_HOUR = timedelta(hours=1)
LOOKBACK = timedelta(days=7)
"""How far before the newest loaded hour to search for late ones, unless BOOKREPORT_LOOKBACK says otherwise."""

EXAMPLE = "2022-12-08T01"

MOST_SPANS = 6
"""Maximum number of spans named in a sentence; the rest are counted."""

_HOUR = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})T(?P<hour>[0-9]{2})(?P<minutes>:00(?::00)?)?"
    r"(?P<zone>Z|(?P<sign>[+-])(?P<offset>[0-9]{2})(?::?00)?)?"
)
_SLICE = re.compile(r"([0-9]{1,3})/([0-9]{1,3})")
_DURATION = re.compile(r"([0-9]{1,5})([mhd])")


@dataclass(frozen=True, order=True)
class Hour:
    """One whole UTC hour, named by its start."""

    start: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.start.utcoffset() != timedelta(0):
            raise ValueError(f"not a UTC hour: {self.start!r}")
        if (self.start.minute, self.start.second, self.start.microsecond) != (0, 0, 0):
            raise ValueError(f"not a whole hour: {self.start!r}")

    @classmethod
    def parse(cls, text: str) -> Hour:
        """Return the hour that `text` names: `2022-12-08T01`, with or without `:00`, `:00:00`, `Z` or a whole-hour offset.

        The grammar is strict, since `datetime.fromisoformat` takes `2024-05-01T13-02`, a mistyped range, for an offset.
        Raises ValueError for anything else; its text shows how an hour is written.
        """
        match = _HOUR.fullmatch(text)
        # `T13-02` is a mistyped range: only minutes, on either side of its sign, make it an offset.
        if not match or (match["sign"] and not match["minutes"] and ":" not in match["zone"]):
            raise ValueError(f"{text!r} is not an hour; write it like {EXAMPLE} (UTC)")
        try:
            start = datetime.strptime(f"{match['date']} {match['hour']}", "%Y-%m-%d %H").replace(tzinfo=UTC)
            if match["sign"]:
                offset = int(match["offset"])
                if offset > 14:
                    raise ValueError("no time zone is that far from UTC")
                start -= timedelta(hours=offset) * (1 if match["sign"] == "+" else -1)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{text!r} is not a real hour; write it like {EXAMPLE} (UTC)") from error
        return cls(start)

    @classmethod
    def last(cls, now: datetime | None = None) -> Hour:
        """Return the most recently ended hour (`now`: an aware instant, the current time by default)."""
        now = (now or datetime.now(UTC)).astimezone(UTC)
        return cls(now.replace(minute=0, second=0, microsecond=0) - ONE_HOUR)

    @classmethod
    def of(cls, year: int, month: int, day: int, hour: int) -> Hour:
        """Return the hour with these UTC calendar numbers; raises ValueError if there is none."""
        return cls(datetime(year, month, day, hour, tzinfo=UTC))

    @property
    def instant(self) -> str:
        """The hour's start in RFC 3339, as in JSON: `2022-12-08T01:00:00Z`."""
        return f"{self}:00:00Z"

    @property
    def partition(self) -> str:
        """The hour's key prefix below the bucket's prefix: `year=2022/month=12/day=08/hour=01/`."""
        start = self.start
        return f"year={start.year:04}/month={start.month:02}/day={start.day:02}/hour={start.hour:02}/"

    @property
    def month(self) -> Hour:
        """The first hour of its month."""
        return Hour.of(self.start.year, self.start.month, 1, 0)

    @property
    def next_month(self) -> Hour:
        """The first hour of the next month; LAST if the calendar ends with this one."""
        start = self.start
        if (start.year, start.month) == (9999, 12):
            return LAST
        return Hour.of(start.year + start.month // 12, start.month % 12 + 1, 1, 0)

    def __add__(self, hours: int) -> Hour:
        return Hour(self.start + hours * ONE_HOUR)

    def __str__(self) -> str:
        return self.start.isoformat()[:13]


@dataclass(frozen=True)
class Span:
    """A half-open range of hours: `since` included, `until` not."""

    since: Hour
    until: Hour

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError(f"the span is empty: {self.since} is not before {self.until}")

    @classmethod
    def of_hour(cls, hour: Hour) -> Span:
        """Return the span of one hour."""
        return cls(hour, hour + 1)

    @classmethod
    def runs(cls, hours: Iterable[Hour]) -> list[Span]:
        """Return the spans that the ascending `hours` make up."""
        spans: list[Span] = []
        for hour in hours:
            if spans and spans[-1].until == hour:
                spans[-1] = cls(spans[-1].since, hour + 1)
            else:
                spans.append(cls.of_hour(hour))
        return spans

    @property
    def before(self) -> Span | None:
        """The span of the same length that ends where this one starts; None if the calendar has none."""
        return None if self.since.start - FIRST.start < len(self) * ONE_HOUR else Span(self.since + -len(self), self.since)

    def __len__(self) -> int:
        return (self.until.start - self.since.start) // ONE_HOUR

    def __iter__(self) -> Iterator[Hour]:
        return (self.since + number for number in range(len(self)))

    def __reversed__(self) -> Iterator[Hour]:
        return (self.since + number for number in reversed(range(len(self))))

    def __contains__(self, hour: Hour) -> bool:
        return self.since <= hour < self.until

    def __str__(self) -> str:
        return f"{self.since} to {self.until} UTC"


@dataclass(frozen=True)
class Slice:
    """One of `of` slices of all UTC days: each `of`th day is in slice `number`, counted from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Slice:
        """Return the slice that `text` names, such as `1/30`. Raises ValueError for anything else."""
        match = _SLICE.fullmatch(text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"{text!r} is not a slice; write it like 1/30 (the first of 30, each a thirtieth of the days)")
        return cls(int(match[1]), int(match[2]))

    def __contains__(self, hour: Hour) -> bool:
        return hour.start.toordinal() % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def hours_in_words(hours: Sequence[Hour]) -> str:
    """Return hours in words, with runs of them as spans."""
    return spans_in_words(Span.runs(hours))


def spans_in_words(spans: Sequence[Span]) -> str:
    """Return the first spans in words, and how many more there are."""
    told = [str(span.since) if len(span) == 1 else f"{span.since} to {span.until}" for span in spans[:MOST_SPANS]]
    return ", ".join(told) + (f" and {len(spans) - MOST_SPANS} more" if len(spans) > MOST_SPANS else "")


FIRST, LAST = Hour.of(1, 1, 1, 0), Hour.of(9999, 12, 31, 23)
"""The bounds of an unbounded span."""

EARLIEST = Hour.of(1995, 1, 1, 0)
"""The earliest hour by default: no online bookstore is older."""


def believable(earliest: Hour, clocks: Iterable[datetime | None]) -> Span:
    """Return the believable hours: from `earliest` until one hour after now, by the slowest of `clocks`.

    A clock that is None, or shows a time before `earliest`, was never set and is ignored; without any, no hour is too late.
    """
    now = min((clock for clock in clocks if clock is not None and clock >= earliest.start), default=None)
    return Span(earliest, LAST if now is None else Hour.last(now) + 3)


def in_words(duration: timedelta) -> str:
    """Return a duration in words, to the minute: `26 h 12 min`; from a week on, to the hour."""
    hours, rest = divmod(max(duration, timedelta(0)), ONE_HOUR)
    return f"{hours} h {rest // timedelta(minutes=1)} min" if hours < 168 else f"{hours // 24:,} d {hours % 24} h"


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` names in minutes, hours or days: `40m`, `24h`, `7d`. Raises ValueError otherwise."""
    match = _DURATION.fullmatch(text)
    if not match or not int(match[1]):
        raise ValueError(f"{text!r} is not a duration; write it like 40m, 24h or 7d")
    return int(match[1]) * {"m": timedelta(minutes=1), "h": ONE_HOUR, "d": timedelta(days=1)}[match[2]]


def parse_hours(text: str) -> int:
    """Return the number of hours that `text` names, such as `24h` or `7d`. Raises ValueError if it is not whole."""
    with suppress(ValueError):
        hours, rest = divmod(parse_duration(text), ONE_HOUR)
        if not rest:
            return hours
    raise ValueError(f"{text!r} is not a number of whole hours; write it like 24h or 7d")
