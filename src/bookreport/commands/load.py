"""The commands that load: ingest and run-hour."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from bookreport import hourly, metrics, reports
from bookreport.commands.options import (
    DURATION,
    HOUR,
    CommonOptions,
    load_options,
    output_options,
    span_of,
    span_options,
)
from bookreport.commands.report import tell_doubts, tell_outdated
from bookreport.commands.result import Result
from bookreport.commands.source import BucketSession
from bookreport.commands.telling import Telling
from bookreport.errors import BadData, BookreportError, Interrupted, Usage
from bookreport.hours import Hour, Span, hours_in_words
from bookreport.patience import Patience
from bookreport.present.report import report_json, report_table
from bookreport.present.run import run_json, run_table
from bookreport.present.words import as_json, counted
from bookreport.rejects import RejectLimit
from bookreport.reports import SPANISH, Report
from bookreport.run import Choice, Ended, Run

log = logging.getLogger(__name__)


def measured(command: Callable[..., int]) -> Callable[..., int]:
    """Give a command that loads the `figures` of its --metrics-file, which is written however the command ends."""

    @wraps(command)
    def with_figures(*arguments: Any, metrics_file: Path | None, **options: Any) -> int:
        with metrics.measured(None if options.get("dry_run") else metrics_file) as figures:
            code = command(*arguments, figures=figures, **options)
            if figures is not None:
                figures["bookreport_last_exit_code"] = code
            return code

    return with_figures


@click.command()
@click.option(
    "--max-reload", type=click.IntRange(min=0), default=24, show_default=True, help="Maximum number of changed hours to reload."
)
@click.option(
    "--changed",
    is_flag=True,
    help="Also reload hours whose files have changed since they were loaded, among those searched or named.",
)
@click.option(
    "--head",
    is_flag=True,
    help="With --dry-run: check only the head of each file, a thousand records or more; what follows may still be refused.",
)
@click.option("--dry-run", is_flag=True, help="Check every record and show how headers are read; write nothing.")
@load_options
@measured
@click.option("--all", "everything", is_flag=True, help="Search the whole bucket.")
@span_options
@click.option(
    "--hour",
    "hours",
    type=HOUR,
    multiple=True,
    metavar="HOUR",
    help="Only this hour, even if skipped or pruned; may be repeated.",
)
@output_options("table", "json")
@click.pass_obj
def ingest(
    options: CommonOptions,
    *,
    hours: tuple[Hour, ...],
    since: Hour | None,
    until: Hour | None,
    everything: bool,
    jobs: int | None,
    reject_limit: RejectLimit | None,
    new_source: bool,
    figures: dict[str, float] | None,
    dry_run: bool,
    head: bool,
    changed: bool,
    max_reload: int,
    result: Result,
) -> int:
    """Load every pending hour, oldest first.

    An hour is pending when it is complete but not loaded, skipped or pruned. It is complete once the marker FULL
    (BOOKREPORT_MARKER) is beside its files; whoever writes them writes it last. The search starts BOOKREPORT_LOOKBACK (7d)
    before the newest loaded hour; until one run has been through the whole bucket, it covers all of it. Failed hours are
    retried, however old. Hours before BOOKREPORT_FIRST_YEAR, or more than an hour in the future, are left alone.
    """
    _require_one_choice(hours, since, until, everything=everything)
    if head and not dry_run:
        raise Usage("--head needs --dry-run", hint="a load reads every file to its end")
    result.require_writable()
    session = BucketSession(options)
    with (
        session.run(reject_limit, new_source=new_source, jobs=jobs) as run,
        metrics.standing(figures, partial(run.status, session.settings.lookback)),
    ):
        choice = run.choose(
            hours,
            since=since,
            until=until,
            everything=everything,
            changed=changed,
            most_changed=max_reload,
            lookback=session.settings.lookback,
        )
        total = len(choice.hours)
        telling = Telling(options, total, has_bar=session.has_bar(total))
        if dry_run:
            return _preview(run, choice, result, telling, head=head)
        ended = run.follow(session.progress(run.load(choice), total, "Loading hours"), telling.each)
        metrics.add_outcomes(figures, ended.outcomes)
        if not _is_silent(session, result):
            _write_run(run, ended, None, session, result)
        run.build_days(after=ended)
        return telling.end(ended, _left_behind(choice), run.is_stuck)


def _require_one_choice(hours: Sequence[Hour], since: Hour | None, until: Hour | None, *, everything: bool) -> None:
    if hours and (since or until or everything):
        raise Usage("--hour can't be combined with --since, --until or --all")
    if everything and (since or until):
        raise Usage("--all can't be combined with --since or --until")
    span_of(since, until)


@click.command("run-hour")
@load_options
@measured
@click.option(
    "--wait",
    "duration",
    type=DURATION,
    metavar="DURATION",
    help="Wait up to DURATION (20m) for the most recently ended hour, or for --hour, and until S3 and Postgres answer; exit 3"
    " if it is not complete by then, 5 if they are still away.",
)
@click.option("--hour", type=HOUR, metavar="HOUR", help="Only this hour, even if skipped or pruned; reload it if it is loaded.")
@output_options("table", "json", by_hour=True)
@click.pass_obj
def run_hour(
    options: CommonOptions,
    *,
    hour: Hour | None,
    duration: timedelta | None,
    jobs: int | None,
    reject_limit: RejectLimit | None,
    new_source: bool,
    figures: dict[str, float] | None,
    result: Result,
) -> int:
    """Load every pending hour, then print a report for each: the command for cron.

    An hour is pending when it is not loaded and the marker FULL (BOOKREPORT_MARKER) is beside its files.
    With {hour} in the name of --output, every loaded hour has its own file: each run writes those that are missing or out of
    date, newest first; with --hour, only that hour's.
    """
    result.require_writable()
    session = BucketSession(options)
    patience = Patience(duration) if duration else None
    with (
        session.run(reject_limit, new_source=new_source, jobs=jobs, patience=patience) as run,
        metrics.standing(figures, partial(run.status, session.settings.lookback)),
    ):
        loading, total = run.by_the_hour(hour, patience, lookback=session.settings.lookback)
        telling = Telling(options, total, has_bar=session.has_bar(total))
        ended = run.follow(session.progress(loading, total, "Loading hours"), telling.each)
        metrics.add_outcomes(figures, ended.outcomes)
        language = session.settings.language or SPANISH
        try:
            if result.output.is_by_hour:
                _write_files(run, ended, language, session, result, only_these=hour is not None)
            elif not _is_silent(session, result):
                _report_run(run, ended, language, session, result)
        except Interrupted as error:
            # Of the hours that failed, not all is told yet.
            ended.failure = ended.failure or error
        except BookreportError as error:
            # What stopped the loads most likely keeps the reports from being written too, and is told already.
            if not any(outcome.stops_run for outcome in ended.outcomes):
                ended.failure = ended.failure or error
        run.build_days(after=ended)
        return telling.end(ended, None, run.is_stuck)


def _preview(run: Run, choice: Choice, result: Result, telling: Telling, *, head: bool) -> int:
    made = run.preview(choice, head=head)
    tell_outdated(made.books)
    if result.is_json:
        result.write_json(run_json(made.outcomes, preview=made, looked=run.looked))
    elif made.outcomes:
        result.write(run_table(made.outcomes, made))
    result.say(f"{counted(len(made.outcomes), 'hour')} checked; nothing was written")
    failed = [outcome for outcome in made.outcomes if outcome.error is not None]
    for outcome in failed:
        telling.each(outcome)
    return telling.errors(failed, _left_behind(choice))


def _report_run(run: Run, ended: Ended, language: str, session: BucketSession, result: Result) -> None:
    """Print a run's outcomes, with the report of each hour it loaded; if a report fails, raise that afterwards."""
    made: list[Report] = []
    failure: BookreportError | Interrupted | None = None
    try:
        # What was loaded may have been pruned by now.
        spans = map(Span.of_hour, ended.loaded if ended.failure is None else [])
        made.extend(reports.make_reports(run.database, spans, [language], loaded_only=True))
        tell_doubts(made)
    except (BookreportError, Interrupted) as error:
        failure = error
    _write_run(run, ended, made, session, result)
    if failure is not None:
        raise failure


def _is_silent(session: BucketSession, result: Result) -> bool:
    """Return whether stdout stays empty: under -q it is for failures alone, and stderr has these; a program's result counts."""
    return session.quiet and not result.is_json and result.output.path is None


def _write_run(run: Run, ended: Ended, made: Sequence[Report] | None, session: BucketSession, result: Result) -> None:
    """Print the outcomes of a run and the reports made of it; say so if there was nothing to do."""
    outcomes = ended.outcomes
    if result.is_json and (outcomes or ended.failure is None):
        result.write_json(run_json(outcomes, made, looked=run.looked))
    elif outcomes:
        # For one hour, its report says enough; for several, or a failed one, the outcomes are part of the answer, unless this
        # terminal shows what the log said of them.
        is_shown = result.output.path is None and session.is_watched and sys.stdout.isatty() and not session.verbose
        is_told = (made and len(outcomes) == len(made) == 1) or is_shown
        if shown := [*([] if is_told else [run_table(outcomes)]), *map(report_table, made or ())]:
            result.write("\n\n".join(shown))
    elif ended.failure is None:
        result.say("nothing to load")


def _write_files(run: Run, ended: Ended, language: str, session: BucketSession, result: Result, *, only_these: bool) -> None:
    """Write the file of each loaded hour whose file is out of date or, with `only_these`, of the run's hours."""

    def printed(made: Report) -> str:
        return as_json(report_json(made)) if result.is_json else report_table(made)

    files = hourly.Files(result.output, result.format, language)
    due = ended.loaded if only_these else hourly.behind(run.database, files)
    old = len(set(due).difference(ended.loaded))
    if old > 1:
        log.info("%s of hours loaded earlier are missing or out of date; writing them, newest first", counted(old, "report"))
    written = 0
    for made in session.progress(hourly.write(run.database, files, due, printed), len(due), "Writing reports"):
        if not written:
            tell_doubts([made])
        written += 1
    if due:
        log.info("%s of %s written", f"{written:,}", counted(len(due), "report"))


def _left_behind(choice: Choice) -> BadData | None:
    """Return what is to be said of hours that have changed and were not reloaded; None if there are none."""
    left = choice.left
    if not left:
        return None
    return BadData(
        f"the files of {counted(len(left), 'more loaded hour')} have changed, and were not reloaded: {hours_in_words(left)}",
        hint=f"reload them: bookreport ingest --changed --max-reload {len(left)} --since {left[0]} --until {left[-1] + 1}",
    )
