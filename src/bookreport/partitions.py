"""The partitions of a bucket: years, months, days and hours, found level by level."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from bookreport.hours import LAST, ONE_HOUR, Hour, Span

_LEVELS = (("year", 4), ("month", 2), ("day", 2), ("hour", 2))
_LIKE_PART = re.compile(r"(year|month|day|hour)=.*/", re.IGNORECASE)


@dataclass(frozen=True)
class FarOff:
    """A year, month, day or hour of the bucket, no hour of which is believable; `prefix` is below the bucket's."""

    prefix: str
    since: Hour
    until: Hour


@dataclass(frozen=True)
class Partitions:
    """The hours of a bucket that have a partition, oldest first, what is far off in time, and what is stray.

    Stray is what lies beside the partitions and may belong in one: objects above the hours, prefixes of no real hour.
    """

    hours: list[Hour]
    far_off: list[FarOff]
    stray: list[str]


@dataclass(frozen=True)
class Sought:
    """What to search the bucket for: hours of a span that are not known, and `within` which hours are believable."""

    since: Hour
    until: Hour
    known: Set[Hour]
    within: Span


def find(listed: Callable[[str], Iterable[str]], sought: Sought) -> Partitions:
    """Return the partitions that are sought; `listed` yields the names directly below a path, those of folders end in `/`.

    A year, month or day is not entered if it is outside what is sought, or if all its hours are known; what is stray in it is
    then not seen.
    """
    found = Partitions([], [], [])
    _walk((), listed, sought, found)
    return Partitions(sorted(set(found.hours).difference(sought.known)), found.far_off, sorted(found.stray))


def _walk(above: tuple[int, ...], listed: Callable[[str], Iterable[str]], sought: Sought, found: Partitions) -> None:
    level, digits = _LEVELS[len(above)]
    path = "".join(f"{name}={number:0{width}}/" for (name, width), number in zip(_LEVELS, above, strict=False))
    for name in listed(path):
        match = re.fullmatch(f"{level}=([0-9]{{{digits}}})/", name)
        numbers = (*above, int(match[1])) if match else ()
        below = _first_hour(numbers) if match else None
        if below is None:
            if _LIKE_PART.fullmatch(name) or not name.endswith("/"):
                found.stray.append(f"{path}{name}")
            continue
        end = _end(numbers)
        if end <= sought.within.since or below >= sought.within.until:
            found.far_off.append(FarOff(f"{path}{name}", below, end))
        elif end <= sought.since or below >= sought.until:
            continue
        elif len(numbers) == len(_LEVELS):
            found.hours.append(below)
        elif not _all_known(below, end, sought):
            _walk(numbers, listed, sought, found)


def _all_known(start: Hour, end: Hour, sought: Sought) -> bool:
    hour, end = max(start, sought.since), min(end, sought.until)
    while hour < end:
        if hour not in sought.known:
            return False
        hour += 1
    return True


def _first_hour(numbers: tuple[int, ...]) -> Hour | None:
    year, month, day, hour = (*numbers, *(1, 1, 1, 0)[len(numbers) :])
    try:
        return Hour.of(year, month, day, hour)
    except ValueError:
        return None


def _end(numbers: tuple[int, ...]) -> Hour:
    """Return the first hour after the year, month, day or hour that `numbers` name."""
    if len(numbers) == 1:
        return Hour.of(numbers[0] + 1, 1, 1, 0) if numbers[0] < 9999 else LAST
    if len(numbers) == 2:
        return _end(numbers[:1]) if numbers[1] == 12 else Hour.of(numbers[0], numbers[1] + 1, 1, 0)
    year, month, day, hour = (*numbers, 0)[:4]
    start, hours = Hour.of(year, month, day, hour), 24 if len(numbers) == 3 else 1
    return start + hours if LAST.start - start.start >= hours * ONE_HOUR else LAST
