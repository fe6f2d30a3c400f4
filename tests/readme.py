"""The generated parts of README.md; cog inserts them (`make readme`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bookreport.cli import commands
from bookreport.columns import NAMES, Columns
from bookreport.errors import BadData
from bookreport.rows import read_header, split_record

ROOT = Path(__file__).parents[1]

HEADERS = """
Date,Customer,ISBN,Copies,Book Price
order_id,user_id,isbn10,price,currency
Unnamed: 0,user_id,isbn10,quantity,price
timestamp,user_id,isbn10,quantity
user_id,isbn10,quantity,price,value
customer,buyer,isbn,price
""".strip().splitlines()
"""Typical headers: known names, unknown columns, pandas' index, no price, and two that are refused."""

SETTING = re.compile(r"#?(?P<name>[A-Z0-9_]+)=(?P<value>.*)")
"""A line of .env.example; the comment above it explains it."""

EVERY_COMMAND: dict[str, click.Command] = {
    name: command
    for name in commands.list_commands(click.Context(commands))
    if (command := commands.get_command(click.Context(commands), name)) is not None
}


def command_table() -> str:
    """Return the table of commands, each with the first sentence of its help."""
    rows = [(f"`{name}`", (command.help or "").partition("\n\n")[0]) for name, command in EVERY_COMMAND.items()]
    return _table(("command", "what it does"), rows)


def header_table() -> str:
    """Return the table of HEADERS and how each is read."""
    return _table(("header", "read as"), [(f"`{line}`", _meaning(line)) for line in HEADERS])


def _meaning(line: str) -> str:
    """Return how each column of a header line is read, in order; or why it is refused, and how to fix that."""
    try:
        reading = read_header([f"{line}\n".encode()], Columns()).reading
    except BadData as error:
        reason = re.sub(r"^line 1:( the header)?|(, | )in the header \[.*|\[.*\]", "", error.message).strip()
        setting = re.search(r"BOOKREPORT_\w+='[^']*'", error.hint or "")
        return f"**refused**: {reason}" + (f"; say which, like `{setting[0]}`" if setting else "")
    assert reading is not None
    taken = {position: column for column, position in reading.columns.items()}
    taken |= dict.fromkeys(reading.extra.values(), "*extra*") | dict.fromkeys(reading.dropped, "*left out*")
    price = "" if reading.priced else "; price: the catalogue's own"
    return ", ".join(taken[position] for position in range(len(split_record(line)))) + price


def column_table() -> str:
    """Return the table of the names recognised for each column."""
    return _table(("column", "names recognised"), [(f"`{column}`", ", ".join(names)) for column, names in NAMES.items()])


def settings() -> Iterator[tuple[str, str, str, bool]]:
    """Give each setting of .env.example: name, value, what it is for, and whether the line is a comment."""
    purpose = ""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if setting := SETTING.fullmatch(line):
            yield setting["name"], setting["value"], purpose, line.startswith("#")
        else:
            purpose = line.removeprefix("# ")


def setting_table() -> str:
    """Return the table of the settings that every set-up needs: those that .env.example sets."""
    rows = [(f"`{name}`", purpose.replace("*", r"\*")) for name, _, purpose, commented in settings() if not commented]
    return _table(("setting", "what it is"), rows)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)
