"""The report of a span: books sold by format and language, and the share of buyers of a language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

from bookreport import catalogue, days, ledger, unusual
from bookreport.calendars import UTC_CALENDAR, Calendar, Period, Step, Unit
from bookreport.catalogue import State
from bookreport.database import Database, Transaction
from bookreport.errors import NotReady
from bookreport.hours import EARLIEST, FIRST, ONE_HOUR, Hour, Span
from bookreport.outcomes import HourState
from bookreport.unusual import Unusual

SPANISH = "Spanish"
"""The language whose buyers are counted by default."""


@dataclass(frozen=True)
class Sale:
    """Books sold and sale value of one format and language (None if the catalogue has none)."""

    format: str | None
    language: str | None
    books_sold: int
    sale_value: Decimal


@dataclass(frozen=True)
class Unmatched:
    """What was sold under ISBNs that are not in the catalogue."""

    books_sold: int
    sale_value: Decimal
    isbns: int


@dataclass(frozen=True)
class Buyers:
    """How many of the span's users bought a book in `language`; users are distinct over the whole span.

    `in_catalogue`: whether any book is in that language at all.
    """

    language: str
    buyers: int
    users: int
    in_catalogue: bool = True

    @property
    def percent(self) -> Decimal | None:
        """100 x buyers / users, rounded half up to two decimals; None if there are no users, or no books to buy."""
        if not self.users or not self.in_catalogue:
            return None
        return (Decimal(100 * self.buyers) / self.users).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(frozen=True)
class Point:
    """The figures of a step: its sales cover `hours_with_sales` hours, its users and buyers `hours_loaded`.

    If they cover no hours they are unknown, not zero.
    """

    step: Step
    hours_loaded: int
    hours_with_sales: int
    books_sold: int
    sale_value: Decimal
    buyers: Buyers


@dataclass(frozen=True)
class Change:
    """The change from the preceding span; a percentage is None if there was nothing before.

    `points` compares the buyers' `percent`; None if either span lacks the users of an hour, or has no percentage.
    """

    books_sold: int
    books_sold_percent: Decimal | None
    sale_value: Decimal
    sale_value_percent: Decimal | None
    points: Decimal | None


@dataclass(frozen=True)
class Report:
    """The report of one span. `missing`: its hours that are not loaded; `sales` by sale value, largest first.

    Hours before the shop's first are no gap: `before_first` says how many the span has, and no other count includes them.

    Of the missing hours, `skipped` were given up; `pruned` were loaded once, and those in `sums_kept` still have their sums.
    `unusual` are hours with sales whose rows are far from what was usual at that time.
    One rule holds for every figure: sales cover the loaded hours and `sums_kept`, users and buyers only the loaded hours.
    `load_ids` are the loads of the loaded hours, oldest hour first; `catalogue` says when formats and languages were read.
    `previous` is the report of the preceding span, `series` the figures of each step `by`, from the first hour on; both only
    if requested. With both, `previous` has a series too, unless the span begins before the shop's first hour. Steps are those
    of `calendar`.
    """

    span: Span
    generated_at: datetime
    missing: tuple[Hour, ...]
    sales: tuple[Sale, ...]
    unmatched: Unmatched
    buyers: tuple[Buyers, ...]
    loaded_rows: int
    rejected_rows: int
    catalogue: State
    previous: Report | None = None
    series: tuple[Point, ...] = ()
    before_first: int = 0
    skipped: tuple[Hour, ...] = ()
    pruned: tuple[Hour, ...] = ()
    sums_kept: tuple[Hour, ...] = ()
    load_ids: tuple[int, ...] = ()
    unusual: tuple[Unusual, ...] = ()
    calendar: Calendar = UTC_CALENDAR
    by: Unit | None = None

    @property
    def hours_expected(self) -> int:
        return len(self.span) - self.before_first

    @property
    def hours_loaded(self) -> int:
        return self.hours_expected - len(self.missing)

    @property
    def hours_with_sales(self) -> int:
        return self.hours_loaded + len(self.sums_kept)

    @property
    def without_sales(self) -> tuple[Hour, ...]:
        """The hours whose sales are not in any figure."""
        kept = set(self.sums_kept)
        return tuple(hour for hour in self.missing if hour not in kept)

    @property
    def books_sold(self) -> int:
        return sum(sale.books_sold for sale in self.sales) + self.unmatched.books_sold

    @property
    def sale_value(self) -> Decimal:
        # By default, Python rounds decimals to 28 digits; money is exact.
        with localcontext(prec=1000):
            return sum((sale.sale_value for sale in self.sales), self.unmatched.sale_value)

    @property
    def unknown_languages(self) -> tuple[str, ...]:
        """The requested languages in which the catalogue has no book."""
        return tuple(buyers.language for buyers in self.buyers if not buyers.in_catalogue)

    @property
    def change(self) -> Change | None:
        """The change from the preceding span; None unless the sales of every hour of both are known: anything else misleads."""
        before = self.previous
        if before is None or before.without_sales or self.without_sales or before.before_first:
            return None
        percents = (self.buyers[0].percent, before.buyers[0].percent)
        if before.missing or self.missing:
            percents = (None, None)
        with localcontext(prec=1000):
            return Change(
                books_sold=self.books_sold - before.books_sold,
                books_sold_percent=_percent_change(before.books_sold, self.books_sold),
                sale_value=self.sale_value - before.sale_value,
                sale_value_percent=_percent_change(before.sale_value, self.sale_value),
                points=None if percents[0] is None or percents[1] is None else percents[0] - percents[1],
            )


def newest_span(database: Database, hours: int = 1, earliest: Hour = EARLIEST) -> Span:
    """Return the span of that many hours ending with the newest loaded one; raises NotReady if none is loaded."""
    with database.transaction(snapshot=True) as transaction:
        newest = _newest(transaction, earliest)
    # The span may reach back beyond the start of the calendar.
    return Span(newest + -min(hours - 1, (newest.start - FIRST.start) // ONE_HOUR), newest + 1)


def newest_days(database: Database, days: int, calendar: Calendar, earliest: Hour = EARLIEST) -> Period:
    """Return that many whole days up to yesterday or, if the newest loaded hour is older, to its day.

    They don't depend on how much of the last day is loaded by now. Raises NotReady if no hour is loaded.
    """
    with database.transaction(snapshot=True) as transaction:
        newest, now = _newest(transaction, earliest), transaction.now()
    last = min(calendar.local(newest).date(), calendar.today(now) - timedelta(days=1))
    reach = min(days, (last - date.min).days + 1)
    return Period(Unit.DAY, last - timedelta(days=reach - 1), reach)


def _newest(transaction: Transaction, earliest: Hour) -> Hour:
    newest = ledger.newest_loaded(transaction, earliest)
    if newest is None:
        raise NotReady("no hour is loaded yet", hint="run: bookreport ingest")
    return newest


def make_report(
    database: Database,
    span: Span,
    languages: Sequence[str] = (SPANISH,),
    *,
    require_complete: bool = False,
    previous: Span | None = None,
    series: bool = False,
    by: Unit | None = None,
    calendar: Calendar = UTC_CALENDAR,
    earliest: Hour = EARLIEST,
) -> Report:
    """Return the report of `span`, all of it from one snapshot of the database.

    `previous`: include the report of that span, to compare with; `series`: include figures in steps of `by` (default: what
    suits the length of the span) of the `calendar`, for the first language. `earliest` is the first believable hour.
    Raises NotReady if no hour of the span is loaded or, with `require_complete`, if one is missing; Usage if the calendar
    has a step that begins within an hour.
    """
    [made] = make_reports(
        database,
        [span],
        languages,
        require_complete=require_complete,
        previous=previous,
        series=series,
        by=by,
        calendar=calendar,
        earliest=earliest,
    )
    return made


def make_reports(
    database: Database,
    spans: Iterable[Span],
    languages: Sequence[str] = (SPANISH,),
    *,
    require_complete: bool = False,
    previous: Span | None = None,
    series: bool = False,
    by: Unit | None = None,
    calendar: Calendar = UTC_CALENDAR,
    loaded_only: bool = False,
    earliest: Hour = EARLIEST,
) -> Iterator[Report]:
    """Yield the report of each span, as `make_report` does, all of them from one snapshot: the books are read once.

    `loaded_only`: skip spans without a loaded hour.
    """
    spans = list(spans)
    if not spans:
        return
    with catalogue.current(database) as (transaction, books):
        spellings = _spellings(books, languages)
        first = _first_hour(transaction, earliest)
        for span in spans:
            coverage = transaction.rows("reports/coverage", **_bounds(span))
            given_up = transaction.rows("reports/given_up", **_bounds(span))
            missing = _missing(span, coverage, first)
            if loaded_only and not coverage:
                continue
            if not coverage and not any(row.sums_kept for row in given_up):
                raise _not_ready(transaction, span, list(span))
            if missing and require_complete:
                raise _not_ready(transaction, span, missing)
            made = _report(transaction, books, span, coverage, spellings, first, calendar)
            if previous is not None:
                coverage = transaction.rows("reports/coverage", **_bounds(previous))
                before = _report(transaction, books, previous, coverage, spellings, first, calendar)
                made = replace(made, previous=before)
            if series:
                made = _with_series(transaction, made, spellings, by)
            yield made


def _report(
    transaction: Transaction,
    books: State,
    span: Span,
    coverage: Sequence[Any],
    spellings: Mapping[str, list[str]],
    first: Hour | None,
    calendar: Calendar,
) -> Report:
    sold = transaction.rows("reports/sales", **_bounds(span))
    given_up = transaction.rows("reports/given_up", **_bounds(span))
    return Report(
        span=span,
        generated_at=datetime.now(UTC).replace(microsecond=0),
        missing=_missing(span, coverage, first),
        before_first=_before_first(span, coverage, first),
        sales=tuple(Sale(row.format, row.language, row.books_sold, row.sale_value) for row in sold if row.matched),
        unmatched=next(
            (Unmatched(row.books_sold, row.sale_value, row.isbns) for row in sold if not row.matched),
            Unmatched(0, Decimal(0), 0),
        ),
        buyers=_buyers(transaction, span, spellings),
        loaded_rows=sum(row.rows_loaded for row in coverage),
        rejected_rows=sum(row.rows_rejected for row in coverage),
        catalogue=books,
        skipped=tuple(Hour(row.hour) for row in given_up if row.status == HourState.SKIPPED),
        pruned=tuple(Hour(row.hour) for row in given_up if row.status == HourState.PRUNED),
        sums_kept=tuple(Hour(row.hour) for row in given_up if row.sums_kept),
        load_ids=tuple(row.load_id for row in coverage),
        unusual=unusual.find(transaction, span.since, span.until),
        calendar=calendar,
    )


def _with_series(transaction: Transaction, report: Report, spellings: Mapping[str, list[str]], by: Unit | None) -> Report:
    span = Span(report.span.since + report.before_first, report.span.until)
    by = by or report.calendar.unit_for(span)
    before = report.previous
    # One by one, its steps are compared with those of the span: none is left out.
    if before is not None and not report.before_first:
        before = replace(before, by=by, series=_series(transaction, before, spellings, by, before.span))
    return replace(report, by=by, series=_series(transaction, report, spellings, by, span), previous=before)


def _series(
    transaction: Transaction, report: Report, spellings: Mapping[str, list[str]], by: Unit, span: Span
) -> tuple[Point, ...]:
    steps = list(report.calendar.steps(span, by))
    if len(steps) == 1:
        figures = (report.hours_loaded, report.hours_with_sales, report.books_sold, report.sale_value, report.buyers[0])
        return (Point(steps[0], *figures),)
    language, names = next(iter(spellings.items()))
    bounds = _bounds(span) | {"starts": [step.span.since.start for step in steps]}
    sold = {row.step: row for row in transaction.rows("reports/sales_by_step", **bounds)}
    bought = days.count(transaction, [step.span for step in steps], names)
    points = []
    for number, (step, users) in enumerate(zip(steps, bought, strict=True), start=1):
        sales = sold.get(number)
        points.append(
            Point(
                step,
                hours_loaded=sales.hours_loaded if sales else 0,
                hours_with_sales=sales.hours_with_sales if sales else 0,
                books_sold=sales.books_sold if sales else 0,
                sale_value=sales.sale_value if sales else Decimal(0),
                buyers=Buyers(language.strip(), users.buyers, users.users, bool(names)),
            )
        )
    return tuple(points)


def _bounds(span: Span) -> dict[str, Any]:
    return {"since": span.since.start, "until": span.until.start}


def _first_hour(transaction: Transaction, earliest: Hour) -> Hour | None:
    """Return the shop's first hour: a missing hour is a gap only from then on; None until it is known."""
    row = transaction.row("reports/first_hour", earliest=earliest.start)
    return Hour(row.hour) if row and row.hour else None


def _before_first(span: Span, coverage: Sequence[Any], first: Hour | None) -> int:
    """Return how many hours of the span are before the shop's first one; a loaded hour never is."""
    if first is None:
        return 0
    begins = min([first, span.until, *(Hour(row.hour) for row in coverage)])
    return len(Span(span.since, begins)) if begins > span.since else 0


def _missing(span: Span, coverage: Sequence[Any], first: Hour | None) -> tuple[Hour, ...]:
    loaded = {Hour(row.hour) for row in coverage}
    begins = span.since + _before_first(span, coverage, first)
    return tuple(hour for hour in span if hour not in loaded and hour >= begins)


def _percent_change(before: Decimal | int, now: Decimal | int) -> Decimal | None:
    # A small fall is rounded to -0.0; adding 0 takes the sign off.
    return (Decimal(100 * (now - before)) / before).quantize(Decimal("0.1"), ROUND_HALF_UP) + 0 if before else None


def _buyers(transaction: Transaction, span: Span, spellings: Mapping[str, list[str]]) -> tuple[Buyers, ...]:
    return tuple(
        Buyers(language.strip(), bought.buyers, bought.users, bool(names))
        for language, names in spellings.items()
        for bought in days.count(transaction, [span], names)
    )


def lacks(books: State, language: str) -> bool:
    """Whether the catalogue has no book in `language`."""
    return not _spellings(books, [language])[language]


def _spellings(books: State, languages: Sequence[str]) -> dict[str, list[str]]:
    """Return how the catalogue spells each language."""
    # Postgres folds case by the database's locale, which may know only ASCII; Python knows all of Unicode.
    return {language: [name for name in books.languages if _same_language(name, language)] for language in languages}


def _same_language(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _not_ready(transaction: Transaction, span: Span, missing: Sequence[Hour]) -> NotReady:
    """Return the failure that hours of the span are `missing`: why the first of them is, and what to do about it."""
    first = missing[0]
    known = transaction.one("reports/not_loaded", hour=first.start)
    told = f"{len(missing)} of {len(span)} hours of {span} are not loaded; {first}, the first,"
    if len(missing) == len(span):
        told = f"no hour of {span} is loaded; {first}, the first," if len(span) > 1 else f"{first} is not loaded: it"
    if first.start + ONE_HOUR > known.now:
        why, hint = f"ends at {first + 1}:00Z", "ask for hours that are over; the newest loaded one: bookreport report"
    elif known.status == HourState.PRUNED:
        why, hint = "was pruned", f"load it again: bookreport run-hour --hour {first}"
    elif known.status == HourState.SKIPPED:
        why, hint = f"was skipped: {known.why}", f"if it has come after all: bookreport run-hour --hour {first}"
    elif known.status == HourState.FAILED:
        why, hint = f"failed: {known.why}", f"once that is mended: bookreport run-hour --hour {first}"
    else:
        why, hint = "was never tried", f"load it, or see what it lacks: bookreport run-hour --hour {first}"
    if len(missing) > 1 and known.status in (HourState.FAILED, None):
        hint = f"{hint}; all that are complete: bookreport ingest --since {span.since} --until {span.until}"
    return NotReady(f"{told} {why}", hint=hint, hour=first.instant if len(missing) < len(span) or len(span) == 1 else None)
