"""The report of a span: books sold by format and language, and the share of buyers of a language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext

from bookreport.database import Database, Transaction
from bookreport.errors import NotReady
from bookreport.hours import Hour, Span

SPANISH = "Spanish"


@dataclass(frozen=True)
class Sale:
    """Books sold and sale value of one format and language (None where the catalogue has none)."""

    format: str | None
    language: str | None
    books_sold: int
    sale_value: Decimal


@dataclass(frozen=True)
class Unmatched:
    """What was sold under ISBNs that the catalogue does not hold."""

    books_sold: int
    sale_value: Decimal
    isbns: int


@dataclass(frozen=True)
class Buyers:
    """How many of the span's users bought a book in `language`; users are distinct over the whole span."""

    language: str
    buyers: int
    users: int

    @property
    def percent(self) -> Decimal | None:
        """100 x buyers / users, rounded half up to two decimals; None when there are no users."""
        if not self.users:
            return None
        return (Decimal(100 * self.buyers) / self.users).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(frozen=True)
class Report:
    """The report of one span. `missing`: its hours that are not loaded; `sales` by sale value, largest first.

    Of the missing hours, `skipped` were given up; `pruned` were loaded once, and the sales (not the users) of those in
    `sums_kept` are in the figures.
    """

    span: Span
    generated_at: datetime
    missing: tuple[Hour, ...]
    sales: tuple[Sale, ...]
    unmatched: Unmatched
    buyers: tuple[Buyers, ...]
    rejected_rows: int
    unknown_languages: tuple[str, ...]
    skipped: tuple[Hour, ...] = ()
    pruned: tuple[Hour, ...] = ()
    sums_kept: tuple[Hour, ...] = ()

    @property
    def hours_expected(self) -> int:
        return len(self.span)

    @property
    def hours_loaded(self) -> int:
        return self.hours_expected - len(self.missing)

    @property
    def books_sold(self) -> int:
        return sum(sale.books_sold for sale in self.sales) + self.unmatched.books_sold

    @property
    def sale_value(self) -> Decimal:
        # Python rounds decimals to 28 digits unless it is told that more may come; money is exact.
        with localcontext(prec=1000):
            return sum((sale.sale_value for sale in self.sales), self.unmatched.sale_value)


def newest_span(database: Database, hours: int = 1) -> Span:
    """Return the span of that many hours that ends with the newest loaded one; raises NotReady when none is loaded."""
    with database.transaction(snapshot=True) as transaction:
        row = transaction.row("newest_loaded")
    if row is None or row.hour is None:
        raise NotReady("no hour is loaded yet", hint="load some: bookreport ingest")
    newest = Hour(row.hour)
    return Span(newest + (1 - hours), newest + 1)


def make_report(
    database: Database, span: Span, languages: Sequence[str] = (SPANISH,), *, require_complete: bool = False
) -> Report:
    """Return the report of `span`, all of it from one snapshot of the database.

    Raises NotReady when no hour of the span is loaded, or, under `require_complete`, when one is missing.
    """
    with database.transaction(snapshot=True) as transaction:
        bounds = {"since": span.since.start, "until": span.until.start}
        coverage = transaction.rows("coverage", **bounds)
        loaded = {Hour(row.hour) for row in coverage}
        missing = tuple(hour for hour in span if hour not in loaded)
        given_up = transaction.rows("given_up", **bounds)
        if not loaded and not any(row.sums_kept for row in given_up):
            raise NotReady(f"no hour of {span} is loaded", hint="load them: bookreport ingest", hour=_only_hour(span))
        if missing and require_complete:
            raise NotReady(
                f"{len(missing)} of {len(span)} hours of {span} are not loaded, the first is {missing[0]}",
                hint="load them: bookreport ingest; or report without --require-complete",
                hour=missing[0].instant,
            )
        sold = transaction.rows("sales", **bounds)
        matched = [Sale(row.format, row.language, row.books_sold, row.sale_value) for row in sold if row.matched]
        buyers, unknown = _buyers(transaction, bounds, languages)
        return Report(
            span=span,
            generated_at=datetime.now(UTC).replace(microsecond=0),
            missing=missing,
            sales=tuple(matched),
            unmatched=next(
                (Unmatched(row.books_sold, row.sale_value, row.isbns) for row in sold if not row.matched),
                Unmatched(0, Decimal(0), 0),
            ),
            buyers=buyers,
            rejected_rows=sum(row.rows_rejected for row in coverage),
            unknown_languages=unknown,
            skipped=tuple(Hour(row.hour) for row in given_up if row.status == "skipped"),
            pruned=tuple(Hour(row.hour) for row in given_up if row.status == "pruned"),
            sums_kept=tuple(Hour(row.hour) for row in given_up if row.sums_kept),
        )


def _buyers(
    transaction: Transaction, bounds: dict[str, datetime], languages: Sequence[str]
) -> tuple[tuple[Buyers, ...], tuple[str, ...]]:
    """Return the buyers of each language, and those languages in which the catalogue has no book."""
    known = [row.language for row in transaction.rows("languages")]
    users: int = transaction.one("users", **bounds).users
    found, unknown = [], []
    for language in languages:
        # Postgres folds case by the database's locale, which may know ASCII alone; Python knows all of Unicode.
        spellings = [name for name in known if _same_language(name, language)]
        if not spellings:
            unknown.append(language)
        buyers: int = transaction.one("buyers", **bounds, spellings=spellings).buyers
        found.append(Buyers(language.strip(), buyers, users))
    return tuple(found), tuple(unknown)


def _same_language(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _only_hour(span: Span) -> str | None:
    return span.since.instant if len(span) == 1 else None
