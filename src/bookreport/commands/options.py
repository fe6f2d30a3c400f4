"""What commands take: types of values, and options that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from bookreport.calendars import UTC_CALENDAR, Calendar, Period, Unit, parse_last
from bookreport.commands.result import Result
from bookreport.errors import Usage
from bookreport.hours import EXAMPLE, LAST, Hour, Slice, Span, parse_duration
from bookreport.output import Output
from bookreport.quoting import role_name, table_name
from bookreport.rejects import RejectLimit
from bookreport.settings import MOST_JOBS

Command = TypeVar("Command", bound=Callable[..., Any])


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
            self.fail(f"{value!r} is out of range", param, ctx)
        return hour


class BoundType(HourType):
    """An end of a span on the command line: an hour, or a date, which means its midnight."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, date):
            return value
        if isinstance(value, str):
            with suppress(ValueError):
                return Period.parse(Unit.DAY, value).first
        return super().convert(value, param, ctx)


class ParsedType(click.ParamType[Any]):
    """A value that `parse` reads; a ValueError it raises becomes a usage error with the same text."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


HOUR = HourType()
BOUND = BoundType()
DURATION: click.ParamType[timedelta] = ParsedType("duration", parse_duration)
SLICE: click.ParamType[Slice] = ParsedType("slice", Slice.parse)
LAST_OF: click.ParamType[tuple[int, Unit]] = ParsedType("duration", parse_last)
CALENDAR: click.ParamType[Calendar] = ParsedType("time zone", Calendar.of)
PERIOD: dict[Unit, click.ParamType[Period]] = {
    unit: ParsedType(unit, partial(Period.parse, unit)) for unit in (Unit.DAY, Unit.MONTH, Unit.YEAR)
}
TABLE: click.ParamType[str] = ParsedType("table", table_name)
ROLE: click.ParamType[str] = ParsedType("role", role_name)
REJECT_LIMIT: click.ParamType[RejectLimit] = ParsedType("limit", RejectLimit.parse)


@dataclass
class CommonOptions:
    """The options that every command has; `errors_as_json` follows from them, and from those of the command's result."""

    env_file: Path | None = None
    log_format: str = "text"
    verbose: bool = False
    quiet: bool = False
    errors_as_json: bool = False


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # The common options may come before or after the command; whichever is given counts.
    options = ctx.ensure_object(CommonOptions)
    if value:
        setattr(options, str(param.name), value)


def common_options(command: Command) -> Command:
    """Add the options that every command has, before and after its name."""
    option = partial(click.option, expose_value=False, callback=_remember)
    for add in (
        option(
            "--env-file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Settings file.  [default: ./.env, if it exists]",
        ),
        option(
            "--log-format",
            type=click.Choice(["text", "json"]),
            help="Log format on stderr: plain text, or one JSON object per line.",
        ),
        option("-v", "--verbose", is_flag=True, help="Log more to stderr."),
        option("-q", "--quiet", is_flag=True, help="Log only errors to stderr."),
    ):
        command = add(command)
    return command


def output_options(*formats: str, by_hour: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the options of a command that prints a `result` in one of `formats`; `by_hour`: also to one file per hour."""
    file = ParsedType("file", partial(Output.parse, by_hour=by_hour))

    def add(command: Callable[..., int]) -> Callable[..., int]:
        @wraps(command)
        def with_result(*arguments: Any, output: Output, as_json: bool, format_: str, **options: Any) -> int:
            return command(*arguments, result=Result(output, "json" if as_json else format_), **options)

        taking = with_result
        for option in (
            click.option(
                "-o", "--output", type=file, default=Output(), metavar="FILE", help="Write to FILE; - is stdout.  [default: -]"
            ),
            click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
            click.option("--format", "format_", type=click.Choice(formats), default="table", help="Output format."),
        ):
            taking = option(taking)
        return common_options(taking)

    return add


def load_options(command: Command) -> Command:
    """Add the options of the commands that load."""
    for option in (
        click.option(
            "--metrics-file",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Write the run's metrics to FILE, for node_exporter's textfile collector.",
        ),
        click.option("--new-source", is_flag=True, help="Confirm that the bucket has moved: load from this one from now on."),
        click.option(
            "--reject-limit",
            type=REJECT_LIMIT,
            metavar="LIMIT",
            help="Rejects allowed per hour: a count (100), or a percentage (1%), which always allows 10 if every file has"
            " a good record.  [default: BOOKREPORT_REJECT_LIMIT, or 1%]",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1, MOST_JOBS),
            metavar="N",
            help="Load N hours in parallel.  [default: BOOKREPORT_JOBS, or 1]",
        ),
    ):
        command = option(command)
    return command


def span_options(command: Command) -> Command:
    """Add --since and --until."""
    for option in (
        click.option("--until", type=BOUND, callback=_as_hour, metavar="HOUR", help="End of the span (exclusive)."),
        click.option(
            "--since",
            type=BOUND,
            callback=_as_hour,
            metavar="HOUR",
            help="Start of the span (inclusive); an hour, or a date for its midnight (UTC).",
        ),
    ):
        command = option(command)
    return command


def _as_hour(_: click.Context, __: click.Parameter, bound: Hour | date | None) -> Hour | None:
    return UTC_CALENDAR.midnight(bound) if isinstance(bound, date) else bound


excel_option = click.option("--excel", is_flag=True, help="CSV for spreadsheets: byte order mark, CRLF, formulas defused.")


def require_csv(result: Result, *, excel: bool) -> None:
    """Raise Usage for --excel with a format that is not CSV."""
    if excel and result.format != "csv":
        raise Usage("--excel needs --format csv", hint="add --format csv")


def span_of(since: Hour | None, until: Hour | None) -> Span | None:
    """Return the span of --since and --until, None unless both are given; raises Usage if it is empty."""
    if since is None or until is None:
        return None
    try:
        return Span(since, until)
    except ValueError as error:
        raise Usage(str(error), hint="--since is included, --until is not") from error
