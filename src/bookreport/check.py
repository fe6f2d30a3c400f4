"""What must be right before a run can work: bucket, Postgres, clocks, schema, source, privileges, books, freshness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bookreport import catalogue, ledger, schema
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.discovery import MOST_SKIPPED, come_after_all, time_of
from bookreport.errors import BookreportError, Configuration, NotReady
from bookreport.hours import EARLIEST, LAST, Hour

OLDEST_POSTGRES = 150_000

CLOCKS_APART = timedelta(minutes=1)
"""How far this machine's clock may be off from the store's or Postgres's."""


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
    database: Database, bucket: Bucket, language: str, max_age: timedelta | None = None, *, earliest: Hour = EARLIEST
) -> Iterator[Check]:
    """Check each prerequisite in turn; skip those that an earlier failure makes impossible to check.

    `language`: the one whose buyers reports count; the error is Configuration if it has no book.
    `max_age`: how long ago the newest loaded hour may have ended; the error is NotReady if it is longer. `earliest`: the
    first believable hour.
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
    yield look("source", lambda: _source(database, bucket))
    yield look("rights", lambda: _rights(database))
    yield look("replication", lambda: _replication(database))
    yield look("books", lambda: _books(database, language))
    if listed.ok:
        yield look("time", lambda: _time(database, bucket, earliest))
        yield look("skipped", lambda: _skipped(database, bucket, earliest))
    yield look("freshness", lambda: _freshness(database, max_age, earliest))


def _bucket(bucket: Bucket, clocks: dict[str, timedelta]) -> tuple[str, str | None]:
    clock = bucket.clock()
    if clock is not None:
        clocks["S3"] = clock - datetime.now(UTC)
    return f"s3://{bucket.name}/{bucket.prefix} can be listed", None


def _postgres(database: Database, clocks: dict[str, timedelta]) -> tuple[str, str | None]:
    with database.transaction(search_path="") as transaction:
        server = transaction.one("check/server")
        clocks["Postgres"] = server.now - datetime.now(UTC)
    if server.version_number < OLDEST_POSTGRES:
        raise Configuration(f"PostgreSQL {server.version} is too old", hint="bookreport needs PostgreSQL 15 or newer")
    return f"{server.database} as {server.role}, PostgreSQL {server.version}", None


def _clock(clocks: dict[str, timedelta]) -> tuple[str, str | None]:
    for name, ahead in clocks.items():
        if abs(ahead) > CLOCKS_APART:
            told = f"{abs(ahead).total_seconds():,.0f} s {'ahead of' if ahead > timedelta(0) else 'behind'}"
            raise Configuration(f"{name}'s clock is {told} this machine's", hint="synchronise the clocks with NTP")
    return f"this machine's clock agrees with {' and '.join(sorted(clocks)) or 'itself; no server answered'}", None


def _source(database: Database, bucket: Bucket) -> tuple[str, str | None]:
    with database.transaction() as transaction:
        ledger.require_source(transaction, bucket.identity)
    return "the ledger belongs to this bucket", None


def _rights(database: Database) -> tuple[str, str | None]:
    with database.transaction() as transaction:
        lacking = [row.lacking for row in transaction.rows("check/rights_lacking")]
    if lacking:
        raise Configuration(f"this role may not: {', '.join(lacking)}", hint="see Roles in the README")
    return "this role has the privileges that a load needs", None


def _replication(database: Database) -> tuple[str, str | None]:
    with database.transaction() as transaction:
        found = transaction.rows("check/not_replicable")
    if found:
        first = found[0]
        raise Configuration(
            f"publication {first.publication} includes {first.name}, which has no replica identity: a reload would fail",
            hint=f"alter table {database.schema}.{first.name} replica identity full",
        )
    return "no publication would block a reload", None


def _books(database: Database, language: str) -> tuple[str, str | None]:
    table = schema.require_books(database)
    with database.transaction() as transaction:
        count = transaction.one("check/books_count")
        kept = catalogue.state(transaction)
        spellings: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in transaction.rows("check/spellings"):
            spellings[row.kind, row.name.casefold()].append(row.name)
    languages = sorted(names[0] for (kind, _), names in spellings.items() if kind == "language")
    message = f"{count.isbns:,} ISBNs in {table}; languages: {', '.join(languages) or 'none'}"
    if count.repeated:
        message += f"; {count.repeated:,} ISBNs have several rows; the first by format and language counts"
    if count.without_isbn:
        example = "" if count.example is None else f" (such as {count.example!r})"
        message += f"; {count.without_isbn:,} books have no valid ISBN{example}; no sale can match them"
    for (kind, _), names in spellings.items():
        if len(names) > 1:
            message += f"; the {kind}s {' and '.join(map(repr, sorted(names)))} differ only in case and are reported separately"
    if not kept.is_current:
        message += "; they have changed since the catalogue was last updated; the next run will update it"
    if ("language", language.strip().casefold()) not in spellings:
        raise Configuration(
            f"no book is in {language}: {message}", hint="set BOOKREPORT_LANGUAGE to the language's name in the books table"
        )
    return message, None


def _time(database: Database, bucket: Bucket, earliest: Hour) -> tuple[str, str | None]:
    within = time_of(database, bucket, earliest)
    # Starts where hours stop being believable; of what lies before, only years are listed.
    far_off = bucket.hours(within.until, within=within).far_off
    with database.transaction() as transaction:
        loaded = ledger.far_off(transaction, within)
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


def _skipped(database: Database, bucket: Bucket, earliest: Hour) -> tuple[str, str | None]:
    with database.transaction() as transaction:
        skipped = [hour for hour, _ in ledger.skipped_hours(transaction, earliest, LAST)]
    if come := come_after_all(bucket, skipped):
        more = f" and {len(come) - 1:,} more" if len(come) > 1 else ""
        raise Configuration(
            f"{come[-1]} was skipped but is complete now{more}", hint=f"load it: bookreport run-hour --hour {come[-1]}"
        )
    told = f"{len(skipped):,} hours are skipped" if skipped else "no hour is skipped"
    return f"{told}; none of the newest {MOST_SKIPPED} is complete" if len(skipped) > MOST_SKIPPED else told, None


def _freshness(database: Database, max_age: timedelta | None, earliest: Hour) -> tuple[str, str | None]:
    with database.transaction() as transaction:
        newest = ledger.newest_loaded(transaction, earliest)
    if newest is None:
        if max_age is not None:
            raise NotReady("no hour is loaded yet", hint="run: bookreport run-hour")
        return "no hour is loaded yet", "run: bookreport run-hour"
    age = datetime.now(UTC) - (newest + 1).start
    minutes = max(0, int(age.total_seconds() // 60))
    message = f"the newest loaded hour is {newest}, which ended {minutes // 60:,} h {minutes % 60} min ago"
    if max_age is not None and age > max_age:
        raise NotReady(message, hint="see what is holding up the next one: bookreport status", hour=newest.instant)
    return message, None
