"""What must be right for a run to work, and what only people can put right: from the bucket to hours that never came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bookreport import catalogue, health, ledger, schema, unusual
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.discovery import MOST_SKIPPED, come_after_all
from bookreport.errors import BookreportError, Configuration, NotReady
from bookreport.health import Status
from bookreport.hours import (
    EARLIEST,
    LAST,
    LOOKBACK,
    ONE_HOUR,
    Hour,
    Span,
    believable,
    hours_in_words,
    in_words,
    spans_in_words,
)

OLDEST_POSTGRES = 150_000

MAX_GAP = timedelta(hours=6)
"""How long ago an hour without a marker, or without anything, may have ended by default."""

MOST_OF_AN_ERROR = 300
"""Characters of a failed hour's error; `status` and `history` have all of it."""

MOST_HOLDERS = 3
"""Sessions with locks that are named; there are as many as hours that are being loaded."""

HIDDEN = "if they are in the table, row-level security hides them from this role, or their ISBNs are in another column"

CLOCKS_APART = timedelta(minutes=1)
"""How far this machine's clock may be off from the store's or Postgres's."""

NEWS = timedelta(minutes=65)
"""How long ago an hour may have been loaded to fail a check for being unusual: a check from an hourly cron fails once."""


@dataclass(frozen=True)
class Check:
    """One prerequisite: what was found, what to do about it, and the error if it is not met."""

    name: str
    message: str
    hint: str | None = None
    error: BookreportError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


def look(name: str, find: Callable[[], tuple[str, str | None]]) -> Check:
    """Return what `find` found: a message and a hint, or the failure that it raised."""
    try:
        return Check(name, *find())
    except BookreportError as error:
        return Check(name, error.message, error.hint, error)


def check(
    database: Database,
    bucket: Bucket,
    language: str,
    max_age: timedelta | None = None,
    *,
    max_gap: timedelta = MAX_GAP,
    lookback: timedelta = LOOKBACK,
    earliest: Hour = EARLIEST,
) -> Iterator[Check]:
    """Check each prerequisite in turn; skip those that an earlier failure makes impossible to check.

    `language`: the one whose buyers reports count; the error is Configuration if it has no book.
    `max_age`: how long ago the newest loaded hour may have ended, `max_gap`: any other that is overdue or missing; the error
    is NotReady if it is longer, and for hours that failed, or came after they had been skipped. `lookback`: as in `discover`.
    `earliest`: the first believable hour.
    """
    clocks: dict[str, timedelta] = {}
    listed = look("bucket", lambda: _bucket(bucket, clocks))
    yield listed
    postgres = look("postgres", lambda: _postgres(database, clocks))
    yield postgres
    yield look("clock", lambda: _clock(clocks))
    if not postgres.ok:
        return
    tables = look("schema", lambda: (f"revision {schema.require_revision(database)} in schema {database.schema}", None))
    yield tables
    if not tables.ok:
        return
    source = look("source", lambda: _source(database, bucket))
    yield source
    yield look("rights", lambda: _rights(database))
    yield look("replication", lambda: _replication(database))
    yield look("locks", lambda: _locks(database))
    books = _Books()
    yield look("books", lambda: _books(database, language, earliest, books))
    if books.table is not None:
        yield look("quality", lambda: _quality(books))
    yield look("failed", lambda: _failed(database))
    is_searchable = listed.ok and source.ok
    if is_searchable:
        within = believable(earliest, [datetime.now(UTC) + ahead for ahead in clocks.values()])
        yield from _hours(database, bucket, within, max_gap, lookback)
        yield look("skipped", lambda: _skipped(database, bucket, earliest))
    yield look("unusual", lambda: _unusual(database, earliest))
    yield look("freshness", lambda: _freshness(database, bucket if is_searchable else None, max_age, earliest))


def _bucket(bucket: Bucket, clocks: dict[str, timedelta]) -> tuple[str, str | None]:
    clock = bucket.clock()
    if clock is not None:
        clocks["S3"] = clock - datetime.now(UTC)
    return f"s3://{bucket.name}/{bucket.prefix} can be listed; {bucket.protection}", None


def _postgres(database: Database, clocks: dict[str, timedelta]) -> tuple[str, str | None]:
    with database.transaction(snapshot=True, search_path="") as transaction:
        server = transaction.one("check/server")
        protection = transaction.protection
        clocks["Postgres"] = server.now - datetime.now(UTC)
    if server.version_number < OLDEST_POSTGRES:
        raise Configuration(f"PostgreSQL {server.version} is too old", hint="bookreport needs PostgreSQL 15 or newer")
    return f"{server.database} as {server.role}, PostgreSQL {server.version}; {protection}", None


def _clock(clocks: dict[str, timedelta]) -> tuple[str, str | None]:
    for name, ahead in clocks.items():
        if abs(ahead) > CLOCKS_APART:
            told = f"{abs(ahead).total_seconds():,.0f} s {'ahead of' if ahead > timedelta(0) else 'behind'}"
            raise Configuration(f"{name}'s clock is {told} this machine's", hint="synchronise the clocks with NTP")
    return f"this machine's clock agrees with {' and '.join(sorted(clocks)) or 'itself; no server answered'}", None


def _source(database: Database, bucket: Bucket) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        ledger.require_source(transaction, bucket.identity)
    return "the ledger belongs to this bucket", None


def _rights(database: Database) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        lacking = [row.lacking for row in transaction.rows("check/rights_lacking")]
        is_superuser = transaction.one("check/server").is_superuser
    if lacking:
        raise Configuration(
            f"this role lacks: {'; '.join(lacking)}",
            hint="run bookreport migrate as the tables' owner; see Roles in the README",
        )
    if is_superuser:
        return "this role is a superuser, which is more than a load needs", "use a role of its own; see Roles in the README"
    return "this role has the privileges that a load needs", None


def _locks(database: Database) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        holders = transaction.lock_holders()
    if not holders:
        return "no other session holds a lock", None
    more = f" and {len(holders) - MOST_HOLDERS:,} more" if len(holders) > MOST_HOLDERS else ""
    return f"locks are held by {'; '.join(holders[:MOST_HOLDERS])}{more}", None


def _replication(database: Database) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        found = transaction.rows("check/not_replicable")
    if found:
        first = found[0]
        raise Configuration(
            f"publication {first.publication} includes {first.name}, which has no replica identity: a reload would fail",
            hint=f"alter table {database.schema}.{first.name} replica identity full",
        )
    return "no publication would block a reload", None


@dataclass
class _Books:
    """What is to be said of the books: of the table, and of the newest loaded day's sales (None: unknown)."""

    table: Any = None
    newest: Hour | None = None
    day: Any = None


def _books(database: Database, language: str, earliest: Hour, books: _Books) -> tuple[str, str | None]:
    table = schema.require_books(database)
    with database.quarantine() as transaction:
        found = books.table = transaction.one("check/books")
    if not found.isbns:
        raise Configuration(
            f"no book of {table} has a valid ISBN",
            hint=HIDDEN,
        )
    languages = ", ".join(sorted(map(min, _spellings(found.languages)))) or "none"
    message = f"{found.isbns:,} ISBNs in {table}; languages: {languages}"
    if catalogue.state(database).is_current:
        _require_matches(database, table, earliest, books)
    else:
        message += "; they have changed since the catalogue was last updated; the next run will update it"
    if language.strip().casefold() not in map(str.casefold, found.languages):
        raise Configuration(
            f"no book is in {language}: {message}", hint="set BOOKREPORT_LANGUAGE to the language's name in the books table"
        )
    if warning := schema.foreign_code(database):
        return f"{message}; {warning}", "give the books a role of their own; see Roles in the README"
    return message, None


def _require_matches(database: Database, table: str, earliest: Hour, books: _Books) -> None:
    """Raise Configuration if less than half of the ISBNs sold in the newest loaded day are in the catalogue."""
    with database.transaction(snapshot=True) as transaction:
        newest = books.newest = ledger.newest_loaded(transaction, earliest)
        if newest is None:
            return
        day = books.day = transaction.one("check/isbns_matched", newest=newest.start)
    if day.matched * 2 < day.sold:
        raise Configuration(
            f"only {day.matched:,} of the {day.sold:,} ISBNs sold in the 24 hours up to {newest} match a book of {table}",
            hint=HIDDEN,
        )


def _quality(books: _Books) -> tuple[str, str | None]:
    """Return what is wrong in the books table, and how many of a day's sales match it; none of it keeps a run from working."""
    found, wrong = books.table, []
    if found.repeated:
        has = "ISBN has" if found.repeated == 1 else "ISBNs have"
        wrong.append(
            f"{found.repeated:,} {has} several rows (such as {found.repeated_example}); the first by format and language counts"
        )
    if found.empty:
        wrong.append(f"{found.empty:,} {'book has' if found.empty == 1 else 'books have'} no ISBN")
    if found.impossible:
        have = "book has" if found.impossible == 1 else "books have"
        wrong.append(
            f"{found.impossible:,} {have} an impossible ISBN (such as {found.impossible_example!r}), which no sale can match"
        )
    for kind, names in (("format", found.formats), ("language", found.languages)):
        if same := [those for those in _spellings(names) if len(those) > 1]:
            is_ = f"{kind} is" if len(same) == 1 else f"{kind}s are"
            example = " and ".join(map(repr, same[0]))
            wrong.append(f"{len(same):,} {is_} spelled in several ways (such as {example}), and reported separately")
    told = [*wrong, *_matched(books)] or ["each book has an ISBN of its own"]
    return "; ".join(told), "correct them in the books table" if wrong else None


def _matched(books: _Books) -> Iterator[str]:
    day = books.day
    if day is not None and day.books_sold:
        # Rounded down: only if all match it is 100.
        percent = 1000 * day.books_matched // day.books_sold / 10
        most = f" (not, for one, {day.unmatched_example!r})" if day.unmatched_example is not None else ""
        yield (
            f"{day.books_matched:,} of {day.books_sold:,} books sold in the 24 hours up to {books.newest} match ({percent}%),"
            f" {day.matched:,} of {day.sold:,} ISBNs{most}"
        )


def _spellings(names: Sequence[str]) -> list[list[str]]:
    """Return the names, those together that differ only in case or blanks."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        spellings["".join(name.casefold().split())].append(name)
    return list(spellings.values())


def _failed(database: Database) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        failed = ledger.failures(transaction)
    if not failed:
        return "no hour is failed", None
    hours, newest = [failure.hour for failure in failed], failed[-1]
    told = newest.error if len(newest.error) <= MOST_OF_AN_ERROR else f"{newest.error[:MOST_OF_AN_ERROR]} …"
    raise NotReady(
        f"{_counted(len(hours))} failed: {hours_in_words(hours)}{'; the newest' if len(hours) > 1 else ''}: {told}",
        hint=f"ask whoever writes its files to put it right; every run tries it again."
        f" To give it up, so that reports lack its sales: {_skip(Span.of_hour(newest.hour))}",
        hour=newest.hour.instant,
    )


def _hours(database: Database, bucket: Bucket, within: Span, max_gap: timedelta, lookback: timedelta) -> Iterator[Check]:
    """Check what a single search of the bucket tells of its hours; yield only why, if that fails."""
    with database.transaction(snapshot=True) as transaction:
        is_looked_through = ledger.is_looked_through(transaction, bucket.identity)
    # Until a run has searched the whole bucket, the first loads may be under way: so the end of it has to do.
    since = None if is_looked_through else Hour(within.until.start - LOOKBACK)
    try:
        found = health.status(database, bucket, since, lookback=lookback, earliest=within.since, at_length=False, thorough=True)
    except BookreportError as error:
        yield Check("hours", error.message, error.hint, error)
        return
    until = Hour.last(datetime.now(UTC) - max_gap) + 1
    yield look("overdue", lambda: _overdue(bucket, found, until, max_gap))
    yield look("missing", lambda: _missing(bucket, found, until, max_gap))
    yield look("time", lambda: _time(bucket, found, within))
    yield look("stray", lambda: _stray(bucket, found))


def _overdue(bucket: Bucket, found: Status, until: Hour, max_gap: timedelta) -> tuple[str, str | None]:
    """Judge hours that have files, but no marker: those before `until` ended more than `max_gap` ago."""
    late = [hour for hour in found.overdue if hour < until]
    if late and found.newest_loaded:
        raise NotReady(
            f"{_counted(len(late))} with files, but no marker, though over for more than {_in_hours(max_gap)}:"
            f" {hours_in_words(late)}",
            hint=f"ask whoever writes them: once all files are there, they must write the empty object"
            f" {bucket.marker_url(late[-1])}; the next run then loads it."
            f" To give it up, so that reports lack its sales: {_skip(Span.runs(late)[-1])}",
            hour=late[-1].instant,
        )
    if found.overdue:
        return f"{_counted(len(found.overdue))} without a marker yet: {hours_in_words(found.overdue)}", None
    return "no hour that has ended has files, but no marker", None


def _missing(bucket: Bucket, found: Status, until: Hour, max_gap: timedelta) -> tuple[str, str | None]:
    """Judge hours that are neither loaded nor in the bucket: those before `until` ended more than `max_gap` ago."""
    late = [Span(gap.since, min(gap.until, until)) for gap in found.gaps if gap.since < until]
    if late and found.newest_loaded:
        known, come = "", ""
        if found.looked_from and late[0].since < found.looked_from:
            known = f" (searched from {found.looked_from} on)"
            come = "; to load what has come before: bookreport ingest --all"
        raise NotReady(
            f"{_counted(sum(map(len, late)))} neither loaded nor in the bucket{known}, though over for more than"
            f" {_in_hours(max_gap)}: {spans_in_words(late)}",
            hint=f"whoever writes them must write their files, if anything was sold, and {bucket.marker_url(late[-1].since)};"
            f" the next run then loads it{come}. To give it up, so that reports lack its sales: {_skip(late[-1])}",
            hour=late[-1].since.instant,
        )
    if found.gaps:
        return f"{_counted(found.missing_hours)} missing so far: {spans_in_words(found.gaps)}", None
    return "no hour between the first and the newest is missing", None


def _counted(hours: int) -> str:
    return f"{hours:,} hour{'' if hours == 1 else 's'}"


def _in_hours(duration: timedelta) -> str:
    return f"{duration / ONE_HOUR:.4g} h"


def _skip(span: Span) -> str:
    """Return the command that gives up the hours of a span."""
    if len(span) == 1:
        return f"bookreport skip --hour {span.since} --reason TEXT"
    return f"bookreport skip --since {span.since} --until {span.until} --reason TEXT"


def _time(bucket: Bucket, found: Status, within: Span) -> tuple[str, str | None]:
    far_off, loaded = found.far_off, found.far_off_loaded
    if far_off:
        first = far_off[0]
        more = f" and {len(far_off) - 1:,} more (see: bookreport status)" if len(far_off) > 1 else ""
        future = first.since >= within.until
        why = "is in the future" if future else f"is before {within.since.start.year}"
        old = "" if future else "; if the shop is that old, set BOOKREPORT_FIRST_YEAR"
        raise Configuration(
            f"s3://{bucket.name}/{bucket.prefix}{first.prefix} {why}; it is ignored{more}",
            hint=f"rename or remove it in the bucket{old}",
        )
    if loaded:
        late = loaded[-1].since >= within.until
        out = (
            f"--from {next(span.since for span in loaded if span.since >= within.until)}"
            if late
            else f"--before {within.since}"
        )
        raise Configuration(
            f"{sum(map(len, loaded)):,} loaded hours have implausible dates, from {loaded[0].since} on;"
            " only reports that name them count them",
            hint=f"remove them: bookreport prune {out}",
        )
    return "no hour is in the future or before the shop's first year", None


def _stray(bucket: Bucket, found: Status) -> tuple[str, str | None]:
    if stray := found.stray:
        more = f" and {len(stray) - 1:,} more (see: bookreport status)" if len(stray) > 1 else ""
        raise Configuration(
            f"not loaded, since in no hour's partition: s3://{bucket.name}/{bucket.prefix}{stray[0]}{more}",
            hint="move it into its hour, rename or remove it; if it is not sales, list a pattern in BOOKREPORT_IGNORE",
        )
    newest = found.newest_loaded
    marker = bucket.marker(newest) if newest else None
    if newest and marker and marker.size:
        return f"{bucket.url(newest, marker.key)} is not empty", "a marker should be: is it a data file, or an error?"
    return "nothing that may be sales lies beside the hours of the last week", None


def _skipped(database: Database, bucket: Bucket, earliest: Hour) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        skipped = [hour for hour, _ in ledger.skipped_hours(transaction, earliest, LAST)]
    if come := come_after_all(bucket, skipped):
        raise NotReady(
            f"{_counted(len(come))} skipped, but complete now: {hours_in_words(come)}",
            hint=f"load it: bookreport run-hour --hour {come[-1]}",
            hour=come[-1].instant,
        )
    told = f"{len(skipped):,} hours are skipped" if skipped else "no hour is skipped"
    return f"{told}; none of the newest {MOST_SKIPPED} is complete" if len(skipped) > MOST_SKIPPED else told, None


def _unusual(database: Database, earliest: Hour) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        newest = ledger.newest_loaded(transaction, earliest)
        since = ledger.lookback_start(transaction, LOOKBACK, earliest)
        found = unusual.find(transaction, since, newest + 1) if since and newest else ()
        now = transaction.now()
    if not found:
        return "no hour of the last week that has 4 weeks of history has far fewer or more rows than usual", None
    news = [each for each in unusual.first_of_episodes(found) if now - each.loaded_at < NEWS]
    last = (news or found)[-1]
    message = f"{last.hour} has {last.rows:,} rows, usually {last.usual:,}"
    if len(found) > 1:
        message += f"; {len(found):,} hours of the last week are unusual (see: bookreport status)"
    if news:
        doubt = "did all of its files come" if last.is_few else "did its sales come twice"
        raise Configuration(message, hint=f"{doubt}? Once they are right: bookreport run-hour --hour {last.hour}")
    return message, None


def _freshness(database: Database, bucket: Bucket | None, max_age: timedelta | None, earliest: Hour) -> tuple[str, str | None]:
    with database.transaction(snapshot=True) as transaction:
        newest = ledger.newest_loaded(transaction, earliest)
    if newest is None:
        if max_age is not None:
            raise NotReady("no hour is loaded yet", hint="run: bookreport run-hour")
        return "no hour is loaded yet", "run: bookreport run-hour"
    age = datetime.now(UTC) - (newest + 1).start
    message = f"the newest loaded hour is {newest}, which ended {in_words(age)} ago"
    if max_age is not None and age > max_age:
        raise NotReady(message, hint=_awaited(bucket, newest + 1), hour=newest.instant)
    return message, None


def _awaited(bucket: Bucket | None, hour: Hour) -> str:
    """Return who is to do what for the hour that would be the newest."""
    if bucket is None:
        return "see what is holding up the next one: bookreport status"
    if bucket.marker(hour):
        return f"{hour} is complete: see why no run loads it: bookreport run-hour"
    return f"whoever writes {hour} must write {bucket.marker_url(hour)}; the next run then loads it"
