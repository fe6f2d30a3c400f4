"""The commands that only read the database: report, rejects, history and schema."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import click

from bookreport import documents, ledger, reports
from bookreport.catalogue import State
from bookreport.commands.options import (
    DURATION,
    HOUR,
    HOURS,
    CommonOptions,
    common_options,
    excel_option,
    output_options,
    require_csv,
    span_of,
    span_options,
)
from bookreport.commands.result import Result
from bookreport.commands.session import Session
from bookreport.errors import Usage
from bookreport.history import history as attempts
from bookreport.hours import EXAMPLE, Hour, Span
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


@click.command()
@click.option("--require-complete", is_flag=True, help="Exit 3 if any hour of the span is not loaded.")
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="NAME",
    help="Count buyers of this language; may be repeated.  [default: BOOKREPORT_LANGUAGE, or Spanish]",
)
@click.option("--last", type=HOURS, metavar="DURATION", help="The DURATION (24h, 7d) that ends with the newest loaded hour.")
@span_options
@click.option("--hour", type=HOUR, metavar="HOUR", help="Only this hour.  [default: the newest loaded]")
@excel_option
@click.option("--compare", type=click.Choice(["previous"]), help="Show the change against the preceding span.")
@output_options("table", "json", "csv", "markdown", "html")
@click.pass_obj
def report(
    options: CommonOptions,
    *,
    hour: Hour | None,
    since: Hour | None,
    until: Hour | None,
    last: int | None,
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
    span = _span(hour, since, until, last)
    result.require_writable()
    if result.format == "html":
        page.require_libraries()
    session = Session(options)
    with session.migrated() as database:
        made = reports.make_report(
            database,
            span or reports.newest_span(database, last or 1, session.settings.earliest),
            languages or (session.settings.language or SPANISH,),
            require_complete=require_complete,
            compare=compare is not None or result.format == "html",
            series=result.format in {"json", "html"},
            earliest=session.settings.earliest,
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


def _span(hour: Hour | None, since: Hour | None, until: Hour | None, last: int | None) -> Span | None:
    """Return the requested span; None if it ends with the newest loaded hour."""
    if sum((hour is not None, since is not None or until is not None, last is not None)) > 1:
        raise Usage("give only one of --hour, --since with --until, or --last")
    if (since is None) != (until is None):
        raise Usage("--since and --until must be given together", hint=f"for example --since {EXAMPLE} --until 2022-12-09T00")
    span = Span.of_hour(hour) if hour else span_of(since, until)
    if (last or len(span or ())) > LONGEST_REPORT:
        raise Usage(
            f"a report covers at most {LONGEST_REPORT:,} hours", hint="ask for a shorter span; that is more than twenty years"
        )
    return span


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
