from collections.abc import Callable, Iterable

from hypothesis import given
from hypothesis import strategies as st

from bookreport.hours import FIRST, LAST, Hour, Span
from bookreport.partitions import FarOff, Sought, find

EVER = Span(FIRST, LAST)
HOURS = st.datetimes().map(lambda when: Hour.of(when.year, when.month, when.day, when.hour))


def listing_of(paths: Iterable[str], entered: list[str]) -> Callable[[str], list[str]]:
    """Return what lists the names right below a path of those that lead to `paths`, and notes where it was asked."""

    def listed(path: str) -> list[str]:
        entered.append(path)
        below = (each.removeprefix(path).partition("/") for each in paths if each.startswith(path))
        return sorted({name + slash for name, slash, _ in below})

    return listed


@given(st.lists(HOURS, max_size=20), st.sets(HOURS, max_size=5), HOURS, HOURS)
def test_the_hours_of_a_span_that_are_not_known_are_found_in_order(
    there: list[Hour], others: set[Hour], since: Hour, until: Hour
) -> None:
    known = {*there[::2], *others}
    found = find(listing_of([hour.partition for hour in there], []), Sought(since, until, known, EVER))
    assert found.hours == sorted({hour for hour in there if since <= hour < until} - known)
    assert (found.far_off, found.stray) == ([], [])


def test_what_is_known_or_outside_is_not_entered() -> None:
    day, other = Hour.parse("2024-05-01T00"), Hour.parse("2024-06-01T00")
    known = {day + number for number in range(24)}
    entered: list[str] = []
    there = [hour.partition for hour in (*known, other)]
    found = find(listing_of(there, entered), Sought(FIRST, other, known, EVER))
    assert found.hours == []
    assert entered == ["", "year=2024/", "year=2024/month=05/"]


def test_what_lies_out_of_time_is_far_off_as_a_whole_and_what_is_in_no_hour_is_stray() -> None:
    within = Span(Hour.parse("1995-01-01T00"), Hour.parse("2024-05-02T00"))
    there = [
        "year=1970/month=01/x",
        "year=2024/month=05/day=02/x",
        "year=2024/month=13/x",
        "year=24/x",
        "month=01/x",
        "notes/x",
        "a.csv",
        "Year=2024/x",
        "year=2024/Month=05/x",
        "year=2024/month=5/x",
        "year=2024/month=05/a.csv",
        "year=2024/month=05/day=01/a.csv",
        "year=2024/month=05/day=01/hour=00/a.csv",
        "year=2024/month=05/day=01/hour=٠١/x",
    ]
    found = find(listing_of(there, []), Sought(FIRST, LAST, frozenset(), within))
    assert found.far_off == [
        FarOff("year=1970/", Hour.parse("1970-01-01T00"), Hour.parse("1971-01-01T00")),
        FarOff("year=2024/month=05/day=02/", Hour.parse("2024-05-02T00"), Hour.parse("2024-05-03T00")),
    ]
    assert found.stray == [
        "Year=2024/",
        "a.csv",
        "month=01/",
        "year=2024/Month=05/",
        "year=2024/month=05/a.csv",
        "year=2024/month=05/day=01/a.csv",
        "year=2024/month=05/day=01/hour=٠١/",
        "year=2024/month=13/",
        "year=2024/month=5/",
        "year=24/",
    ]
    assert found.hours == [Hour.parse("2024-05-01T00")]
