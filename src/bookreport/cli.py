"""The command line: which commands there are, and how their failures are reported."""

from __future__ import annotations

import importlib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import click

from bookreport import __version__, streams
from bookreport.commands.options import CommonOptions, common_options
from bookreport.errors import BookreportError, Interrupted, Usage
from bookreport.messages import is_utf8, traced
from bookreport.output import STDOUT
from bookreport.present.run import error_json

COMMANDS = {
    "check": ("look:check", "Check everything a run needs; say what is wrong and what to do."),
    "demo": ("trial:demo", "Run the whole job on this machine: a real Postgres, a real S3 server, sample data."),
    "erase": (
        "keep:erase",
        "Replace a user's id by a random one in purchases, rejects and errors; every figure stays as it was.",
    ),
    "examples": (
        "trial:print_example",
        "Print an example to adapt, of what surrounds bookreport on a server; without NAME, list them.",
    ),
    "forget": ("keep:forget", "Remove an hour from all tables and from the ledger, as if it had never been seen."),
    "history": (
        "report:history",
        "Print the attempts to load, newest first: how each ended, how long it took, what a reload changed.",
    ),
    "ingest": ("load:ingest", "Load every pending hour, oldest first."),
    "migrate": ("keep:migrate", "Create or upgrade bookreport's tables and the books view."),
    "prune": ("keep:prune", "Delete old rows, or the text of old rejects, which may contain personal data."),
    "refresh": ("keep:refresh", "Update the catalogue from the books table if the books have changed."),
    "rejects": ("report:rejects", "Print rejected records and the reasons, newest hour first."),
    "report": (
        "report:report",
        "Print books sold and sale value by format and language, and the share of users who bought in Spanish.",
    ),
    "roles": ("keep:roles", "Print the SQL that sets up separate roles for owner, loader and reader."),
    "run-hour": ("load:run_hour", "Load every pending hour, then print a report for each: the command for cron."),
    "sample": ("trial:sample", "Write sample books and purchases into the configured database and bucket."),
    "schema": (
        "report:json_schema",
        "Print the JSON Schema of a document that --json prints; without NAME, list the documents.",
    ),
    "skip": ("keep:skip", "Give up an hour that failed or never arrived."),
    "status": ("look:status", "Print which hours are loaded, failed, skipped, pending, overdue and missing."),
    "unskip": ("keep:unskip", "Take back a skip: the hour is as it was before."),
    "verify": ("look:verify", "Compare loaded hours with the bucket and the tables; exit 4 if anything differs."),
}
"""Where each command lives, and its one-line summary, so that --help imports none of them."""

_OUTPUT = re.compile(r"--output(?:=(.*))?|-[hqv]*o(.*)", re.DOTALL)
"""The option that names a file for the result: its value is in the same word, or else it is the next."""


class Commands(click.Group):
    """The group of commands; each is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(f"bookreport.commands.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bookreport")
@common_options
def commands() -> None:
    """Load hourly CSV purchases from S3 into Postgres, exactly once, and report on them.

    An hour is written 2022-12-08T01 (UTC), or "last": the most recently ended one.
    Text output is for people and may change; in scripts, use --json and the exit code.

    Exit codes: 0 success, 1 unexpected, 2 usage, 3 not ready, 4 bad data, 5 temporary,
    6 configuration, 7 locked, 130 and 143 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line; every failure becomes a sentence on stderr and an exit code."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    streams.set_up()
    try:
        code = _run(arguments)
    except (BrokenPipeError, SystemExit):
        # The reader has seen enough; nothing went wrong.
        # Here, Click raises SystemExit only for a closed pipe, and after it has answered a shell that completes a word.
        streams.discard(sys.stdout)
        code = 0
    except Exception as error:  # noqa: BLE001 - the last handler: a bug becomes a sentence too
        if {"-v", "--verbose"} & set(arguments):
            click.echo(traced(traceback.format_exc()), err=True, nl=False)
        code = _fail(BookreportError(f"unexpected: {type(error).__name__}: {error}", hint="run it again with -v"), arguments)
    if code > 128 and threading.active_count() > 1:
        # A thread blocked on a silent store would keep the process alive for minutes; nothing it does is kept.
        os._exit(code)
    sys.exit(code)


def _run(arguments: Sequence[str]) -> int:
    """Return the exit code of a command; failures raised by name are reported on stderr."""
    try:
        _require_utf8(arguments)
        options = CommonOptions(errors_as_json=_wants_json(arguments))
        code = commands.main(arguments, prog_name="bookreport", standalone_mode=False, obj=options) or 0
        sys.stdout.flush()
        return int(code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "bookreport"
        return _fail(Usage(error.format_message(), hint=f"see {command} --help"), arguments)
    except click.ClickException as error:
        return _fail(Usage(error.format_message()), arguments)
    except (BookreportError, Interrupted) as error:
        return _fail(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        return _fail(Interrupted(signal.SIGINT), arguments)


def _require_utf8(arguments: Sequence[str]) -> None:
    for argument in arguments:
        if not is_utf8(argument):
            raise Usage(f"the argument {argument!r} has a byte that is not UTF-8", hint="write it in UTF-8")


def _fail(error: BookreportError | Interrupted, arguments: Sequence[str]) -> int:
    if _wants_json(arguments):
        click.echo(error_json(error), err=True)
    else:
        click.echo(f"Error: {error.message}" + (f"\nHint: {error.hint}" if error.hint else ""), err=True)
    return error.exit_code


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether errors are for a program: the log is JSON, or the result is and goes to stdout, not to a file."""
    # Read from the raw arguments, since a usage error comes before they are parsed.
    words, pairs = set(arguments), list(pairwise([*arguments, ""]))

    def is_json(name: str) -> bool:
        return f"{name}=json" in words or (name, "json") in pairs

    outputs = [found[1] or found[2] or value for word, value in pairs if (found := _OUTPUT.fullmatch(word))]
    is_result_read = ("--json" in words or is_json("--format")) and set(outputs) <= set(STDOUT)
    return is_json("--log-format") or is_result_read
