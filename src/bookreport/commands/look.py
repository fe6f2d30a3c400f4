"""The read-only commands: status, verify and check."""

from __future__ import annotations

from datetime import timedelta

import click

from bookreport import health
from bookreport.bucket import Bucket
from bookreport.check import MAX_GAP, Check, look
from bookreport.check import check as look_at_all
from bookreport.columns import Columns
from bookreport.commands.options import DURATION, SLICE, CommonOptions, output_options, span_of, span_options
from bookreport.commands.result import Result
from bookreport.commands.source import BucketSession
from bookreport.database import Database
from bookreport.errors import BadData, BookreportError, Configuration, NotReady
from bookreport.hours import Hour, Slice
from bookreport.present.state import (
    checks_json,
    checks_text,
    status_json,
    status_text,
    verification_json,
    verification_remedy,
    verification_table,
)
from bookreport.present.words import counted
from bookreport.reports import SPANISH
from bookreport.settings import Settings


@click.command()
@click.option(
    "--slice",
    "part",
    type=SLICE,
    metavar="K/N",
    help="Only every Nth UTC day, beginning with the Kth: 1/30, the next day 2/30 and so on, compares all in 30 days.",
)
@span_options
@output_options("table", "json")
@click.pass_obj
def verify(options: CommonOptions, *, since: Hour | None, until: Hour | None, part: Slice | None, result: Result) -> int:
    """Compare loaded hours with the bucket and the tables; exit 4 if anything differs.

    Without a span, all loaded hours: each is one request or more to the bucket. Writes nothing, and says what reloads the
    hours that differ.
    """
    result.require_writable()
    span_of(since, until)
    session = BucketSession(options)
    with session.source() as (database, bucket):
        found = health.verify(
            database,
            bucket,
            since,
            until,
            part=part,
            follow=lambda days: session.progress(days, len(days), "Verifying days"),
        )
    if result.is_json:
        result.write_json(verification_json(found))
    elif found.differences:
        result.write(verification_table(found))
    if found.differences:
        hours = len({difference.hour for difference in found.differences})
        raise BadData(
            f"{counted(hours, 'hour')} {'differs' if hours == 1 else 'differ'} from the bucket or the tables;"
            f" {found.hours:,} were compared",
            hint=verification_remedy(found),
            hour=found.differences[0].hour.instant,
        )
    result.say(f"{counted(found.hours, 'loaded hour')} compared; nothing differs")
    return 0


@click.command()
@span_options
@output_options("table", "json")
@click.pass_obj
def status(options: CommonOptions, *, since: Hour | None, until: Hour | None, result: Result) -> int:
    """Print which hours are loaded, failed, skipped, pending, overdue and missing.

    Pending: complete, but not loaded. Overdue: files, but no marker. Missing: neither loaded nor in the bucket. Unusual: far
    fewer or more rows than that hour of the week had before. Without a span, status searches the bucket as ingest does, and
    counts older hours that are not loaded; failed hours are always listed. Unmatched rows are counted with today's catalogue,
    over the hours searched.
    """
    result.require_writable()
    span_of(since, until)
    session = BucketSession(options)
    with session.source() as (database, bucket):
        settings = session.settings
        found = health.status(database, bucket, since, until, lookback=settings.lookback, earliest=settings.earliest)
    if result.is_json:
        result.write_json(status_json(found))
    else:
        result.write(status_text(found))
    return 0


@click.command()
@click.option(
    "--max-gap",
    type=DURATION,
    metavar="DURATION",
    default=MAX_GAP,
    help="Exit 3 if any other hour is overdue or missing that ended longer ago than DURATION.  [default: 6h]",
)
@click.option(
    "--max-age", type=DURATION, metavar="DURATION", help="Exit 3 if the newest loaded hour ended longer ago than DURATION (3h)."
)
@output_options("table", "json")
@click.pass_obj
def check(options: CommonOptions, *, max_age: timedelta | None, max_gap: timedelta, result: Result) -> int:
    """Check everything a run needs; say what is wrong and what to do.

    That includes hours that failed, are overdue (files, but no marker) or missing (neither loaded nor in the bucket), or came
    after they had been skipped. If only they fail, or the newest hour is too old, check exits 3; if anything else does, 6.
    Writes nothing. With -q, prints only failed checks.
    """
    result.require_writable()
    session = BucketSession(options)
    settings = session.settings
    found = [look("settings", lambda: _settings(settings))]
    if found[0].ok:
        with session.database() as database:
            found += look_at_all(
                database,
                session.bucket(Bucket),
                settings.language or SPANISH,
                max_age,
                max_gap=max_gap,
                lookback=settings.lookback,
                earliest=settings.earliest,
            )
    failed = [check for check in found if not check.ok]
    shown = failed if options.quiet and not result.is_json else found
    if result.is_json:
        result.write_json(checks_json(shown))
    elif shown:
        result.write(checks_text(shown))
    else:
        result.output.write_aside("all checks passed")
    if not failed:
        return 0
    failure = _failure(found, failed)
    if result.is_told and options.log_format == "text":
        # A mail from cron has both streams, and need not say it twice.
        return failure.exit_code
    raise failure


def _settings(settings: Settings) -> tuple[str, str | None]:
    settings.require(bucket=True, database=True)
    Columns(settings.columns, settings.header)
    Database(settings.database_url).close()
    days, seconds = divmod(settings.lookback.total_seconds(), 86_400)
    lookback = f"{days:.0f}d" if not seconds else f"{settings.lookback.total_seconds() / 3600:g}h"
    limits = f"reject limit {settings.reject_limit}, jobs {settings.jobs}, first year {settings.earliest.start.year}"
    return f"all required settings are set; look-back {lookback}, {limits}, time zone {settings.calendar.name}", None


def _failure(found: list[Check], failed: list[Check]) -> BookreportError:
    unready = [check.error for check in failed if isinstance(check.error, NotReady)]
    if len(unready) == len(failed):
        return unready[0]
    names = ", ".join(check.name for check in failed)
    return Configuration(f"{len(failed)} of {len(found)} checks failed: {names}", hint=failed[0].hint)
