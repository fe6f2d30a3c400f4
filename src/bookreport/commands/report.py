"""The commands that only read the database: report, rejects, history and schema."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial

import click

from bookreport import documents, ledger, reports
from bookreport.calendars import STEPS, Calendar, Period, Unit
from bookreport.catalogue import State
from bookreport.commands.options import (
    BOUND,
    CALENDAR,
    DURATION,
    HOUR,
    LAST_OF,
    PERIOD,
    CommonOptions,
    common_options,
    excel_option,
    output_options,
    require_csv,
    span_of,
)
from bookreport.commands.result import Result
from bookreport.commands.session import Session
from bookreport.database import Database
from bookreport.errors import NotReady, Usage
from bookreport.history import history as attempts
from bookreport.hours import Hour, Span
from bookreport.present import page
from bookreport.present.history import history_json, history_table
from bookreport.present.report import report_csv, report_json, report_markdown, report_table
from bookreport.present.state import rejects_csv, rejects_json, rejects_table
from bookreport.present.words import as_json, instant
from bookreport.reports import SPANISH, Report

log = logging.getLogger(__name__)

MOST_REJECTS = 10_000_000
"""Maximum number of rejects to show; they are kept in memory."""

MOST_ATTEMPTS = 10_000_000
"""Maximum number of attempts to show; they are kept in memory."""

ONE_DAY = timedelta(days=1)

LONGEST_REPORT = 200_000
"""Maximum number of hours in a report's span; its JSON names every missing one."""

LONGEST_BY_HOUR = 10_000
"""Maximum number of hours in a series by hour: a year and some."""


@click.command()
@click.option("--require-complete", is_flag=True, help="Exit 3 if any hour of the span is not loaded.")
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="NAME",
    help="Count buyers of this language; may be repeated.  [default: BOOKREPORT_LANGUAGE, or Spanish]",
)
@click.option(
    "--timezone",
    "calendar",
    type=CALENDAR,
    metavar="NAME",
    help="Time zone of days, weeks, months and years, such as Europe/Madrid; hours stay UTC."
    "  [default: BOOKREPORT_TIMEZONE, or UTC]",
)
@click.option(
    "--by",
    type=click.Choice(STEPS, case_sensitive=False),
    help="Show the figures of each hour, day, week (from Monday) or month too.",
)
@click.option(
    "--last",
    type=LAST_OF,
    metavar="DURATION",
    help="24h: hours up to the newest loaded one. 7d: whole days up to yesterday, or to the day of the newest loaded hour if"
    " that is older.",
)
@click.option("--until", type=BOUND, metavar="HOUR", help="End of the span (exclusive).  [default: the newest loaded hour]")
@click.option("--since", type=BOUND, metavar="HOUR", help="Start of the span (inclusive); an hour, or a date for its midnight.")
@click.option("--year", type=PERIOD[Unit.YEAR], metavar="YEAR", help="Only this year: 2022.")
@click.option("--month", type=PERIOD[Unit.MONTH], metavar="MONTH", help="Only this month: 2022-12.")
@click.option("--day", type=PERIOD[Unit.DAY], metavar="DATE", help="Only this day: 2022-12-08.")
@click.option("--hour", type=HOUR, metavar="HOUR", help="Only this hour.  [default: the newest loaded]")
@excel_option
@click.option("--compare", type=click.Choice(["previous"]), help="Show the change against the preceding span.")
@output_options("table", "json", "csv", "markdown", "html")
@click.pass_obj
def report(
    options: CommonOptions,
    *,
    hour: Hour | None,
    day: Period | None,
    month: Period | None,
    year: Period | None,
    since: Hour | date | None,
    until: Hour | date | None,
    last: tuple[int, Unit] | None,
    by: Unit | None,
    calendar: Calendar | None,
    languages: tuple[str, ...],
    require_complete: bool,
    compare: str | None,
    excel: bool,
    result: Result,
) -> int:
    """Print books sold and sale value by format and language, and the share of users who bought in Spanish.

    --format html makes a self-contained page to mail or print, compared with the preceding span; it needs
    the extra html: pip install 'WHEEL[html]', with the path of bookreport's wheel.
    """
    require_csv(result, excel=excel)
    if not all(language.strip() for language in languages):
        raise Usage("--language is empty", hint="write it as the books table does, like --language Spanish")
    _require_one_span(hour, day, month, year, since, until, last)
    result.require_writable()
    if result.format == "html":
        page.require_libraries()
    session = Session(options)
    calendar = calendar or session.settings.calendar
    first, end = (calendar.midnight(bound) if isinstance(bound, date) else bound for bound in (since, until))
    asked = (hour and Span.of_hour(hour)) or day or month or year or _days(since, until) or span_of(first, end)
    spans = asked and _spans(asked, calendar, by)
    with session.migrated() as database:
        earliest = session.settings.earliest
        span, before = spans or _spans(_newest(database, first, last or (1, Unit.HOUR), calendar, earliest), calendar, by)
        made = reports.make_report(
            database,
            span,
            languages or (session.settings.language or SPANISH,),
            require_complete=require_complete,
            previous=before if compare is not None or result.format == "html" else None,
            series=by is not None or result.format == "html",
            by=by,
            calendar=calendar,
            earliest=earliest,
        )
    tell_doubts([made])
    printers: dict[str, Callable[[Report], str]] = {
        "table": report_table,
        "csv": partial(report_csv, excel=excel),
        "markdown": report_markdown,
        "json": lambda made: as_json(report_json(made)),
        "html": page.report_page,
    }
    result.write(printers[result.format](made))
    return 0


def _require_one_span(*given: object) -> None:
    *others, since, until, last = given
    if sum((*(each is not None for each in others), since is not None or until is not None, last is not None)) > 1:
        raise Usage("give only one of --hour, --day, --month, --year, --last, and --since with --until")
    if since is None and until is not None:
        raise Usage("--until needs --since", hint="for example --since 2022-12-08 --until 2022-12-09")


def _days(since: Hour | date | None, until: Hour | date | None) -> Period | None:
    """Return the days between two dates, so that as many days are compared with them; None if one is an hour, or not given."""
    if not isinstance(since, date) or not isinstance(until, date) or since >= until:
        return None
    return Period(Unit.DAY, since, (until - since).days)


def _newest(
    database: Database, since: Hour | None, last: tuple[int, Unit], calendar: Calendar, earliest: Hour
) -> Span | Period:
    """Return what was asked for where that depends on the newest loaded hour."""
    number, unit = last
    if unit is Unit.DAY:
        return reports.newest_days(database, number, calendar, earliest)
    newest = reports.newest_span(database, number, earliest)
    if since is not None and since >= newest.until:
        raise NotReady(f"no hour since {since} is loaded", hint="the newest loaded hour: bookreport report")
    return newest if since is None else Span(since, newest.until)


def _spans(asked: Span | Period, calendar: Calendar, by: Unit | None) -> tuple[Span, Span | None]:
    """Return the hours that were asked for, and those to compare them with, if there are any; raises Usage for too many."""
    spans = (asked, asked.before) if isinstance(asked, Span) else (calendar.span(asked), calendar.span_before(asked))
    if len(spans[0]) > LONGEST_REPORT:
        raise Usage(
            f"a report covers at most {LONGEST_REPORT:,} hours", hint="ask for a shorter span; that is more than twenty years"
        )
    if by is Unit.HOUR and len(spans[0]) > LONGEST_BY_HOUR:
        raise Usage(f"--by hour shows at most {LONGEST_BY_HOUR:,} hours", hint="ask for a shorter span, or --by day")
    return spans


def tell_doubts(made: Sequence[Report]) -> None:
    """Warn of what makes figures misleading: an outdated catalogue, a language that no book has."""
    if made:
        tell_outdated(made[0].catalogue)
    if made and not made[0].catalogue.languages:
        log.warning("no book of the catalogue has a language; for what to do: bookreport check")
        return
    for language in sorted({language for report in made for language in report.unknown_languages}):
        log.warning(
            "the catalogue has no book in %s; set BOOKREPORT_LANGUAGE to the language's name in the books table", language
        )


def tell_outdated(books: State) -> None:
    """Warn if the catalogue is out of date."""
    if not books.is_current:
        log.warning(
            "the books have changed since %s; figures use the catalogue of that time. To update it%s: bookreport refresh",
            instant(books.as_of),
            "" if books.may_refresh else ", as the role that loads",
        )


@click.command()
@click.option("--limit", type=click.IntRange(1, MOST_REJECTS), default=100, show_default=True, help="Maximum number to show.")
@click.option("--hour", type=HOUR, metavar="HOUR", help="Only this hour.")
@excel_option
@output_options("table", "json", "csv")
@click.pass_obj
def rejects(options: CommonOptions, *, hour: Hour | None, limit: int, excel: bool, result: Result) -> int:
    """Print rejected records and the reasons, newest hour first.

    Of an hour that failed for too many, the first 1,000 are kept.
    """
    require_csv(result, excel=excel)
    result.require_writable()
    with Session(options).migrated(books=False) as database:
        found, total = ledger.rejects(database, hour, limit)
    if total > len(found):
        log.info("%s of %s are shown; --limit %d for all", f"{len(found):,}", f"{total:,}", min(total, MOST_REJECTS))
    if result.is_json:
        result.write_json(rejects_json(found, total))
    elif result.format == "csv":
        result.write(rejects_csv(found, excel=excel))
    elif found:
        result.write(rejects_table(found))
    else:
        result.say("no rejects")
    return 0


@click.command()
@click.option("--limit", type=click.IntRange(1, MOST_ATTEMPTS), default=1000, show_default=True, help="Maximum number to show.")
@click.option("--until", type=HOUR, metavar="HOUR", help="Attempts that ended before HOUR.")
@click.option("--since", type=HOUR, metavar="HOUR", help="Attempts that ended in HOUR or later.")
@click.option(
    "--last", type=DURATION, metavar="DURATION", help="Attempts that ended in the last DURATION (40m, 7d).  [default: 24h]"
)
@click.option(
    "--hour",
    "hours",
    type=HOUR,
    multiple=True,
    metavar="HOUR",
    help="Attempts to load this hour, whenever they ran; may be repeated.",
)
@output_options("table", "json")
@click.pass_obj
def history(
    options: CommonOptions,
    *,
    hours: tuple[Hour, ...],
    last: timedelta | None,
    since: Hour | None,
    until: Hour | None,
    limit: int,
    result: Result,
) -> int:
    """Print the attempts to load, newest first: how each ended, how long it took, what a reload changed.

    An hour that was locked or not ready when a run came to it was not attempted. Books and sale value of a reload are those
    before it, then those after it; seconds are by phase. Each error follows once, with its hour and its number of attempts.
    """
    spanned = since is not None or until is not None
    if sum((bool(hours), last is not None, spanned)) > 1:
        raise Usage("give only one of --hour, --last, or --since and --until")
    span_of(since, until)
    result.require_writable()
    start, end = (bound.start if bound else None for bound in (since, until))
    if not hours and not spanned:
        start = datetime.now(UTC) - (last or ONE_DAY)
    with Session(options).migrated(books=False) as database:
        found = attempts(database, hours, since=start, until=end, limit=limit)
    if result.is_json:
        result.write_json(history_json(found))
    elif found.attempts:
        result.write(history_table(found))
        if found.is_cut:
            log.warning("only the newest %s attempts are shown; for more: --limit", f"{limit:,}")
    else:
        result.say(
            "no attempts" if hours or spanned or last else "no attempts in the last 24 hours; for others: --last or --hour"
        )
    return 0


@click.command("schema")
@click.argument("name", metavar="[NAME]", type=click.Choice(documents.NAMES), required=False)
@common_options
def json_schema(*, name: str | None) -> int:
    """Print the JSON Schema of a document that --json prints; without NAME, list the documents.

    Each document names its schema: for "bookreport.report/1", run bookreport schema report.
    """
    click.echo("\n".join(documents.NAMES) if name is None else as_json(documents.schema(name)))
    return 0
