"""The world as it must be, in plain Python: what lies in the buckets, what the ledger knows, and what each command makes of it.

It computes every figure from the rows of the files that it wrote, and knows nothing of how the tool does it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from bookreport.hours import Hour
from truth import Book, Purchase, check_digit, money, percent

LOOKBACK = 3
"""Hours that a plain run looks back from the newest loaded one."""

FIRST_YEAR = 1995
"""No shop has hours before."""

SPANISH = "Spanish"

CODES = {"loaded": 0, "reloaded": 0, "unchanged": 0, "skipped": 0, "pruned": 0, "not-ready": 3, "failed": 4, "locked": 7}
"""The exit code that each outcome of an hour makes."""

LOOKS_THROUGH = ("ingest --all", "ingest --changed")
"""Commands that look through the whole bucket whatever was done before; --changed is given with --all."""

GRAVITY = (6, 1, 5, 4, 7, 3)


@dataclass(frozen=True)
class File:
    """A file that knows its rows: `rejects` are the lines that are no sales, `is_refused` says that it fails its hour."""

    content: bytes
    sales: tuple[Purchase, ...] = ()
    rejects: tuple[int, ...] = ()
    is_refused: bool = False

    @property
    def has_too_many_rejects(self) -> bool:
        """Ten rejects are borne where a file has a sale beside them, and these files have fewer."""
        return bool(self.rejects) and not self.sales


Files = dict[str, File]


@dataclass
class Partition:
    """What lies in the bucket for one hour."""

    files: Files = field(default_factory=dict)
    is_closed: bool = False
    is_strange: bool = False

    @property
    def is_gone(self) -> bool:
        return not (self.files or self.is_closed or self.is_strange)

    @property
    def is_bad(self) -> bool:
        """Whether a load of it fails, whatever the ledger knows."""
        return self.is_strange or any(file.is_refused or file.has_too_many_rejects for file in self.files.values())


@dataclass(frozen=True)
class Reject:
    """A record that was set aside, and whether its text is still there."""

    key: str
    line: int
    has_text: bool = True


@dataclass(frozen=True)
class Known:
    """What the ledger knows of an hour, and what of it the tables hold; `files` are those that it was loaded from.

    `reload_failed`: whether an attempt has failed since.
    """

    status: str
    attempts: int = 0
    files: tuple[tuple[str, File], ...] = ()
    sums_kept: bool = False
    reason: str | None = None
    reload_failed: bool = False
    rejects: frozenset[Reject] = frozenset()

    @property
    def sales(self) -> Iterator[Purchase]:
        for _, file in self.files:
            yield from file.sales

    @property
    def counts_sales(self) -> bool:
        """Whether its sales are in the figures; its users are only while it is loaded."""
        return self.status == "loaded" or self.sums_kept

    @property
    def rows_rejected(self) -> int:
        return sum(len(file.rejects) for _, file in self.files)


@dataclass(frozen=True)
class Action:
    """What a command is about to do to one hour. `chosen` is the hour's status when the command chose it.

    `kind`: load, skip, prune or text (of rejects). A load takes the partition of `source`; `again`: a loaded hour is replaced;
    `named`: by the user, so it is loaded whatever its state.
    """

    kind: str
    source: str = ""
    chosen: str | None = None
    again: bool = False
    named: bool = False
    keep_sums: bool = False


@dataclass(frozen=True)
class Command:
    """One command as its user calls it; `source` is the bucket that its settings name."""

    name: str
    source: str
    hour: Hour | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        hour = str(self.hour)
        return {
            "ingest": ("ingest", "--json"),
            "ingest --all": ("ingest", "--all", "--json"),
            "ingest --changed": ("ingest", "--all", "--changed", "--json"),
            "ingest --hour": ("ingest", "--hour", hour, "--json"),
            "ingest --new-source": ("ingest", "--new-source", "--json"),
            "run-hour": ("run-hour", "--json"),
            "run-hour -o": ("run-hour", "-o", "{hour}.json", "--json"),
            "run-hour --hour": ("run-hour", "--hour", hour, "--json"),
            "skip": ("skip", "--hour", hour, "--reason", f"no {hour}", "--far"),
            "prune": ("prune", "--before", hour),
            "prune --keep-sums": ("prune", "--before", hour, "--keep-sums"),
            "prune --rejects-before": ("prune", "--rejects-before", hour),
            "refresh": ("refresh",),
        }[self.name]

    @property
    def loads(self) -> bool:
        return self.name.startswith(("ingest", "run-hour"))

    @property
    def takes_source(self) -> bool:
        return self.name == "ingest --new-source"

    @property
    def looks(self) -> bool:
        """Whether it looks for hours by itself."""
        return self.loads and self.hour is None

    def __str__(self) -> str:
        return f"{' '.join(self.arguments)} [{self.source}]"


@dataclass
class Model:
    """The world. `now` is any hour of the present; what begins more than an hour later is set aside."""

    now: Hour
    books: list[Book]
    buckets: dict[str, dict[Hour, Partition]]
    catalogue: list[Book] = field(default_factory=list)
    ledger: dict[Hour, Known] = field(default_factory=dict)
    source: str | None = None
    has_looked: bool = False
    oldest_open: Hour | None = None
    """The oldest hour without a marker when a run had looked through the whole bucket."""

    strays: set[Hour] = field(default_factory=set)
    """Hours that are not loaded, and that somebody put rows of into the tables."""

    def copy(self) -> Model:
        return deepcopy(self)

    # What is known

    def is_set_aside(self, hour: Hour) -> bool:
        """Whether no shop has such an hour, or it is yet to come."""
        return hour > self.now + 1 or hour.start.year < FIRST_YEAR

    def is_far_off(self, hour: Hour, source: str) -> bool:
        """Whether such an hour lies in the bucket."""
        return self.is_set_aside(hour) and not self.buckets[source][hour].is_gone

    def status(self, hour: Hour) -> str | None:
        return self.ledger[hour].status if hour in self.ledger else None

    def hours_in(self, *statuses: str) -> list[Hour]:
        return sorted(hour for hour, known in self.ledger.items() if known.status in statuses)

    @property
    def newest_loaded(self) -> Hour | None:
        return max(self.hours_in("loaded"), default=None)

    def looks_from(self, source: str) -> Hour | None:
        """From where on a plain run of a source looks; None: through the whole bucket."""
        newest = self.newest_loaded
        return newest + -LOOKBACK if newest and self.has_looked and source == (self.source or source) else None

    def open_in(self, source: str) -> list[Hour]:
        """Return the hours that are there without their marker, and not settled."""
        return sorted(
            hour
            for hour, partition in self.buckets[source].items()
            if not (partition.is_gone or partition.is_closed or self.is_set_aside(hour))
            and self.status(hour) in (None, "failed")
        )

    @property
    def first_hour(self) -> Hour | None:
        """The shop's first hour, before which nothing is missing; None until the whole bucket was looked through."""
        known = [*self.not_skipped, *([self.oldest_open] if self.oldest_open else [])]
        return min(known, default=None) if self.has_looked else None

    @property
    def not_skipped(self) -> set[Hour]:
        """The hours that had files once; a skipped one may be mistyped, and begins and ends no gap by itself."""
        return {hour for hour in self.ledger if self.status(hour) != "skipped"}

    # What a command does

    def refusal(self, command: Command) -> int:
        """Return the exit code of a command that is refused before it looks at an hour; 0 when it is not."""
        if command.loads and not command.takes_source and self.source not in (None, command.source):
            return 6
        return 0

    def plan(self, command: Command) -> dict[Hour, Action]:
        """Return what a command is about to do, by hour, as it decides when it starts."""
        if command.loads and command.hour is not None:
            again = command.name == "run-hour --hour"
            chosen = self.status(command.hour)
            return {command.hour: Action("load", command.source, chosen, again=again, named=True)}
        if command.loads:
            everything = command.name in ("ingest --all", "ingest --changed")
            found = {
                hour: Action("load", command.source, self.status(hour)) for hour in self.pending(command.source, everything)
            }
            if command.name == "ingest --changed":
                found |= {hour: Action("load", command.source, "loaded", again=True) for hour in self.drifted(command.source)}
            return dict(sorted(found.items()))
        if command.name == "skip":
            assert command.hour is not None
            return {command.hour: Action("skip")}
        if command.name == "refresh":
            return {}
        kind = "text" if command.name == "prune --rejects-before" else "prune"
        action = Action(kind, keep_sums=command.name == "prune --keep-sums")
        assert command.hour is not None
        return {hour: action for hour in sorted(self.ledger) if hour < command.hour}

    def pending(self, source: str, everything: bool = False) -> list[Hour]:
        """Return the hours that a run without --hour loads."""
        start = None if everything else self.looks_from(source)
        return sorted(
            hour
            for hour, partition in self.buckets[source].items()
            if partition.is_closed
            and not self.is_set_aside(hour)
            and self.status(hour) in (None, "failed")
            and (start is None or hour >= start or self.status(hour) == "failed")
        )

    def drifted(self, source: str) -> list[Hour]:
        """Return the loaded hours that --changed reloads."""
        found = []
        for hour in self.hours_in("loaded"):
            partition = self.buckets[source].get(hour, Partition())
            if partition.is_strange:
                found.append(hour)
            elif partition.is_closed and partition.files:
                changes = differences(dict(self.ledger[hour].files), partition.files)
                if any(not is_same_size for _, _, is_same_size in changes):
                    found.append(hour)
        return found

    def apply(self, hour: Hour, action: Action) -> str:
        """Do to an hour what a command does to it, and return the outcome."""
        if action.kind == "load":
            return self._load(hour, action)
        known = self.ledger.get(hour)
        if action.kind == "skip":
            if known is not None and known.status in ("loaded", "pruned"):
                return "refused"
            self.ledger[hour] = replace(known or Known("skipped"), status="skipped", reason=f"no {hour}")
        elif known is None:
            pass
        elif action.kind == "text":
            texts = frozenset(replace(reject, has_text=False) for reject in known.rejects)
            self.ledger[hour] = replace(known, rejects=texts)
        elif known.status == "loaded" or (known.status == "pruned" and known.sums_kept):
            keeps = action.keep_sums or False
            self.ledger[hour] = replace(known, status="pruned", sums_kept=keeps, rejects=frozenset())
        return "done"

    def _load(self, hour: Hour, action: Action) -> str:
        partition = self.buckets[action.source].get(hour, Partition())
        known = self.ledger.get(hour)
        before = known.status if known else None
        if self.is_set_aside(hour) or not partition.is_closed:
            return "not-ready"
        if not partition.is_strange:
            if before in ("skipped", "pruned") and not action.named:
                return before
            if before == "loaded" and not action.again:
                return "unchanged"
        attempts = known.attempts + 1 if known else 1
        was_emptied = known is not None and before in ("loaded", "pruned") and bool(known.files) and not partition.files
        if partition.is_bad or was_emptied:
            self._fail(hour, partition, attempts)
            return "failed"
        self.ledger[hour] = Known("loaded", attempts, _in_order(partition.files), rejects=rejects_of(partition.files))
        return "reloaded" if before == "loaded" else "loaded"

    def _fail(self, hour: Hour, partition: Partition, attempts: int) -> None:
        known = self.ledger.get(hour)
        if known is not None and known.status in ("loaded", "pruned"):
            self.ledger[hour] = replace(known, attempts=attempts, reload_failed=True)
            return
        # An unreadable file ends the load before rejects are counted.
        is_counted = not partition.is_strange and not any(file.is_refused for file in partition.files.values())
        rejects = rejects_of(partition.files) if is_counted else frozenset()
        self.ledger[hour] = Known("failed", attempts, rejects=rejects)

    def run(self, command: Command) -> tuple[int, dict[Hour, str]]:
        """Do what a command does when nothing else runs; return its exit code, and the outcome of each hour."""
        code = self.refusal(command)
        if code:
            return code, {}
        self.refresh(command)
        plan = self.plan(command)
        looks_through = command.looks and (self.looks_from(command.source) is None or command.name in LOOKS_THROUGH)
        oldest_open = min(self.open_in(command.source), default=None) if looks_through else None
        if command.takes_source:
            self.take_source(command.source)
        outcomes = {}
        for hour, action in plan.items():
            outcomes[hour] = self.apply(hour, action)
        self.see_source(command, outcomes)
        if looks_through and self.source is not None:
            self.has_looked, self.oldest_open = True, oldest_open
        return self.exit_code(outcomes), outcomes

    def take_source(self, source: str) -> None:
        """The ledger speaks of a source; nobody has looked through one that is new."""
        if self.source != source:
            self.source, self.has_looked = source, False

    def refresh(self, command: Command) -> None:
        """Bring the catalogue up to date where the command does."""
        if command.loads or command.name == "refresh":
            self.catalogue = list(self.books)

    def see_source(self, command: Command, outcomes: Mapping[Hour, str]) -> None:
        """The first load makes the ledger know its source."""
        if self.source is None and any(outcome in ("loaded", "reloaded") for outcome in outcomes.values()):
            self.take_source(command.source)

    @staticmethod
    def exit_code(outcomes: Mapping[Hour, str]) -> int:
        codes = {2 if outcome == "refused" else CODES.get(outcome, 0) for outcome in outcomes.values()} - {0}
        return next((code for code in GRAVITY if code in codes), max(codes, default=0))

    # What must be told

    def status_told(self, source: str) -> dict[str, Any]:
        """Return what `status` must say of the source that the ledger speaks of, or any while it speaks of none."""
        bucket = self.buckets[source]
        start = self.looks_from(source)
        failed = self.hours_in("failed")
        pending = [hour for hour in self.pending(source) if hour not in failed]
        overdue = [
            hour
            for hour in self.open_in(source)
            if (bucket[hour].files or bucket[hour].is_strange) and (start is None or hour >= start)
        ]
        older = [
            hour
            for hour, partition in bucket.items()
            if not (partition.is_gone or self.is_set_aside(hour)) and self.status(hour) is None and start and hour < start
        ]
        missing = self._missing(source, overdue, older)
        counted = [self.ledger[hour] for hour in self.hours_in("loaded") if start is None or hour >= start]
        return {
            "newest_loaded": self.newest_loaded.instant if self.newest_loaded else None,
            "loaded": len(self.hours_in("loaded")),
            "pruned": len(self.hours_in("pruned")),
            "failed": [(hour.instant, self.ledger[hour].attempts) for hour in failed],
            "failed_reloads": [hour.instant for hour in self.hours_in("loaded") if self.ledger[hour].reload_failed],
            "skipped": [(hour.instant, self.ledger[hour].reason) for hour in self.hours_in("skipped")],
            "pending": [hour.instant for hour in pending],
            "overdue": [hour.instant for hour in overdue],
            "missing": [hour.instant for hour in missing],
            "rejected_rows": sum(self.ledger[hour].rows_rejected for hour in self.hours_in("loaded")),
            "rows_unmatched": sum(book_of(sale.isbn10, self.catalogue) is None for known in counted for sale in known.sales),
            "skipped_complete": [hour.instant for hour in self.hours_in("skipped") if bucket.get(hour, Partition()).is_closed],
            "looked_from": start.instant if start else None,
            "before_look_back": len(older),
            "far_off": sorted({f"year={hour.start.year:04}/" for hour in bucket if self.is_far_off(hour, source)}),
            "far_off_loaded": [],
        }

    def _missing(self, source: str, overdue: list[Hour], older: list[Hour]) -> list[Hour]:
        known = {*self.not_skipped, *self.pending(source), *overdue}
        there = known | {hour for hour in self.ledger if known and min(known) <= hour <= max(known)}
        there |= {hour for hour in older if known and hour > min(known)}
        return [hour for hour in span(min(there), max(there) + 1) if hour not in there] if there else []

    def check_told(self, source: str) -> set[str]:
        """Return the names of the checks that must fail: all hours were over long ago."""
        bucket = self.buckets[source]
        # Until then, check searches the last week alone.
        searched = self.has_looked and self.newest_loaded is not None
        overdue = [Hour.parse(hour) for hour in self.status_told(source)["overdue"]]
        failing = {
            "failed": bool(self.hours_in("failed")),
            "overdue": searched and bool(overdue),
            "missing": searched and bool(self._missing(source, overdue, [])),
            "time": any(self.is_far_off(hour, source) for hour in bucket),
            "skipped": any(bucket[hour].is_closed for hour in self.hours_in("skipped") if hour in bucket),
            "books": not any(is_language(book, SPANISH) for book in self.books) or self._most_match_no_book(),
        }
        return {name for name, fails in failing.items() if fails}

    def _most_match_no_book(self) -> bool:
        """Whether less than half of the ISBNs of the newest day match a book, as far as the catalogue is of these books."""
        newest = self.newest_loaded
        if newest is None or Counter(self.catalogue) != Counter(self.books):
            return False
        day = [known for hour, known in self.ledger.items() if newest + -24 < hour <= newest and known.counts_sales]
        codes = {code_of(sale.isbn10) for known in day for sale in known.sales} - {None}
        return 2 * sum(book_of(code, self.books) is not None for code in codes if code) < len(codes)

    def verify_told(self, source: str) -> tuple[int, list[tuple[str, str, str | None]]]:
        """Return how many hours `verify` looks at, and the differences that it must find: hour, kind and key."""
        found: list[tuple[str, str, str | None]] = []
        loaded = self.hours_in("loaded")
        for hour in loaded:
            partition = self.buckets[source].get(hour, Partition())
            if not partition.is_closed:
                found.append((hour.instant, "marker", None))
            if partition.is_strange:
                found.append((hour.instant, "added", None))
                continue
            changes = differences(dict(self.ledger[hour].files), partition.files)
            found += [(hour.instant, kind, key) for key, kind, _ in changes]
        found += [(hour.instant, "rows", None) for hour in self.strays]
        return len(loaded), found

    def rejects_told(self) -> list[tuple[str, str, int, bool]]:
        """Return the rejects that the tables hold: hour, key, line, and whether their text is still there."""
        return sorted(
            (hour.instant, reject.key, reject.line, reject.has_text)
            for hour, known in self.ledger.items()
            for reject in known.rejects
        )

    def report_told(self, since: Hour, until: Hour) -> dict[str, Any] | None:
        """Return what a report of a span must say, by the books as they are; None where no hour of it is in the figures."""
        inside = {hour: known for hour, known in self.ledger.items() if since <= hour < until}
        loaded = {hour: known for hour, known in inside.items() if known.status == "loaded"}
        counted = [known for known in inside.values() if known.counts_sales]
        if not counted:
            return None
        sales = [sale for known in counted for sale in known.sales]
        expected = [hour for hour in span(since, until) if self.first_hour is None or hour >= self.first_hour]
        return {
            **figures(sales, [sale for known in loaded.values() for sale in known.sales], self.books),
            "coverage": {
                "hours_expected": len(expected),
                "hours_loaded": len(loaded),
                "hours_with_sales": len(counted),
                "hours_before_first": len(span(since, until)) - len(expected),
                "missing": [hour.instant for hour in expected if hour not in loaded],
                "complete": len(loaded) == len(expected),
                "skipped": [hour.instant for hour in sorted(inside) if inside[hour].status == "skipped"],
                "pruned": [hour.instant for hour in sorted(inside) if inside[hour].status == "pruned"],
                "sums_kept": [hour.instant for hour in sorted(inside) if inside[hour].sums_kept],
            },
            "loaded_rows": sum(len(list(known.sales)) for known in loaded.values()),
            "rejected_rows": sum(known.rows_rejected for known in loaded.values()),
        }

    def series_told(self, since: Hour, until: Hour) -> list[dict[str, Any]]:
        """Return the figures of each hour of a span; None where they are not known."""
        points = []
        for hour in span(max(since, self.first_hour or since), until):
            known = self.ledger.get(hour)
            sales = list(known.sales) if known is not None and known.counts_sales else []
            users = sales if known is not None and known.status == "loaded" else []
            made = figures(sales, users, self.books)
            is_known = known is not None and known.counts_sales
            is_loaded = known is not None and known.status == "loaded"
            points.append(
                {
                    "since": hour.instant,
                    "books_sold": made["total"]["books_sold"] if is_known else None,
                    "sale_value": made["total"]["sale_value"] if is_known else None,
                    "users": made["buyers"]["users"] if is_loaded else None,
                    "buyers": made["buyers"]["buyers"] if is_loaded else None,
                }
            )
        return points


def span(since: Hour, until: Hour) -> list[Hour]:
    hours = int((until.start - since.start).total_seconds()) // 3600
    return [since + number for number in range(hours)]


def differences(then: Files, now: Files) -> list[tuple[str, str, bool]]:
    """Return how files differ: key, kind, and whether their size is the same."""
    found = []
    for key in sorted({*then, *now}):
        if key not in then:
            found.append((key, "added", False))
        elif key not in now:
            found.append((key, "removed", False))
        elif then[key].content != now[key].content:
            found.append((key, "changed", len(then[key].content) == len(now[key].content)))
    return found


def rejects_of(files: Files) -> frozenset[Reject]:
    return frozenset(Reject(key, line) for key, file in files.items() for line in file.rejects)


def _in_order(files: Files) -> tuple[tuple[str, File], ...]:
    return tuple(sorted(files.items()))


_HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2212"


def code_of(isbn: str) -> str | None:
    """Return the code by which an ISBN, or a shop's own code, names a book; None for all else, which names none."""
    code = re.sub(rf"[\s{re.escape(_HYPHENS)}]", "", isbn).replace("x", "X")
    if re.fullmatch(r"978[0-9]{10}", code):
        code = code[3:12] + check_digit(code[3:12])
    if re.fullmatch(r"[0-9]{1,9}|[0-9]{1,8}X", code):
        code = code.zfill(10)
    return code if re.fullmatch(r"[0-9A-Z]{10}", code) and len(set(code)) > 1 else None


def book_of(isbn: str, books: Iterable[Book]) -> Book | None:
    """Return the book that is sold under an ISBN: of several the first by format and language."""
    code = code_of(isbn)
    found = [book for book in books if code is not None and book.isbn10 is not None and code_of(book.isbn10) == code]
    return min(found, key=lambda book: (book.format or "", book.language or ""), default=None)


def is_language(book: Book | None, language: str) -> bool:
    return book is not None and (book.language or "").strip().casefold() == language.casefold()


def figures(sales: Collection[Purchase], users_sales: Collection[Purchase], books: Collection[Book]) -> dict[str, Any]:
    """Return a report's figures: sums of `sales`, and the users and buyers of `users_sales`."""
    groups: dict[tuple[str | None, str | None], list[Purchase]] = {}
    unmatched: list[Purchase] = []
    for sale in sales:
        book = book_of(sale.isbn10, books)
        if book is None:
            unmatched.append(sale)
        else:
            language = None if book.language is None else book.language.strip()
            groups.setdefault((book.format, language), []).append(sale)
    summed = [
        {"format": form, "language": language, "books_sold": _books(of), "sale_value": money(_value(of))}
        for (form, language), of in sorted(
            groups.items(), key=lambda group: (-_value(group[1]), group[0][0] or "~", group[0][1] or "~")
        )
    ]
    users = {sale.user_id for sale in users_sales}
    buyers = {sale.user_id for sale in users_sales if is_language(book_of(sale.isbn10, books), SPANISH)}
    has_spanish = any(code_of(book.isbn10 or "") and is_language(book, SPANISH) for book in books)
    return {
        "sales": summed,
        "unmatched": {
            "books_sold": _books(unmatched),
            "sale_value": money(_value(unmatched)),
            "isbns": len({code_of(sale.isbn10) or sale.isbn10 for sale in unmatched}),
        },
        "total": {"books_sold": _books(sales), "sale_value": money(_value(sales))},
        "buyers": {
            "language": SPANISH,
            "buyers": len(buyers),
            "users": len(users),
            "percent": percent(len(buyers), len(users)) if has_spanish else None,
        },
        "unknown_languages": [] if has_spanish else [SPANISH],
    }


def _books(sales: Iterable[Purchase]) -> int:
    return sum(sale.books for sale in sales)


def _value(sales: Iterable[Purchase]) -> Fraction:
    return sum((sale.value for sale in sales), Fraction(0))
