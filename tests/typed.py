"""Command lines as people type them, and as cron and systemd have them: found in a text, and parsed as click does."""

from __future__ import annotations

import re
import shlex
import subprocess
from itertools import takewhile

from bookreport.cli import commands
from readme import EVERY_COMMAND


def command_lines(text: str) -> list[str]:
    """Return the command lines that call bookreport, starting at its name; also those within cron and systemd lines."""
    line = re.compile(r"\s*(?:\$ |ExecStart=|[0-9*,/ -]+ )?(?:curl [^;]*; )?(?P<line>(?:/\S+/)?bookreport [a-z-].*)")
    return [match["line"] for each in text.splitlines() if (match := line.fullmatch(each))]


def dates(line: str) -> str:
    """Let the shell expand the dates of a line as cron passes it on: without the backslashes."""

    def date(match: re.Match[str]) -> str:
        command = match[1].replace("\\%", "%")
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()

    return re.sub(r"\$\((date [^)]*)\)", date, line)


def parse(line: str) -> str:
    """Let click parse a command line, running nothing but `date`; return the command's name."""
    split = shlex.shlex(dates(line), posix=True, punctuation_chars=";|>&")
    split.whitespace_split = True
    arguments = list(takewhile(lambda word: word not in (";", "|", ">", "&&"), split))[1:]
    with commands.make_context("bookreport", arguments) as context:
        name = next(word for word in arguments if word in EVERY_COMMAND)
        EVERY_COMMAND[name].make_context(name, list(context.args), parent=context).close()
    return name
