"""The parts of README.md that are taken from the project itself; cog puts them there (`make readme`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

import bookreport
from bookreport.cli import commands
from bookreport.columns import NAMES, Columns
from bookreport.errors import BadData
from bookreport.rows import read_header, split_record

ROOT = Path(__file__).parents[1]

HEADERS = """
user_id,isbn10,unit_price
user_id,isbn10,quantity,unit_price
purchased_at,unit_price,quantity,isbn10,user_id
User ID,ISBN-10,Price
Date,Customer,ISBN,Copies,Book Price
Purchase Date,Customer ID,ISBN-10,Number of Books,Total Price
"User","ISBN 10","Qty","Unit Price"
userId,isbn10,unitPrice,purchasedAt
customerId,isbn,count,totalPrice,createdAt
buyerId,isbn10,units,totalValue
USER_ID,ISBN_10,QTY,UNIT_PRICE,CREATED_AT
order_id,user_id,isbn10,price,currency
id,buyer,isbn,amount
,user_id,ISBN-10,price
Unnamed: 0,user_id,isbn10,quantity,price
index,timestamp,user_id,isbn10,price
user,isbn,qty,price,total
user_id,isbn10,title,format,language,price
user_id,user,ISBN-10,ISBN,price
user_id,isbn10,price,unit_price
user_id,isbn10,price,date,time
user_id,isbn10
timestamp,user_id,isbn10,quantity
user_id,isbn10,cost
user_id,isbn10,price,amount
user_id,isbn10,quantity,price,value
user_id,isbn10,price,book price
customer,buyer,isbn,price
user_id,isbn10,qty,copies,price
email,isbn10,price
user_id,isbn13,price
u1001,0439785960,12.50
User ID;ISBN-10;Price
""".strip().splitlines()
"""Headers as people write them: columns of the table; spreadsheets; Java; SQL; pandas; more, less and doubtful ones."""

SETTING = re.compile(r"#?(?P<name>[A-Z0-9_]+)=(?P<value>.*)")
"""A line of .env.example; the comment above it tells what it is for."""


def command_helps() -> str:
    """Return the help of every command, as `bookreport COMMAND --help` prints it on a terminal of 100 columns."""
    return "\n".join(_command_help(name) for name in commands.commands)


def _command_help(name: str) -> str:
    command = commands.commands[name]
    context = click.Context(command, info_name=f"bookreport {name}", terminal_width=100, help_option_names=["-h", "--help"])
    return f"### `{name}`\n\n```text\n{command.get_help(context)}\n```\n"


def header_table() -> str:
    """Return the table of HEADERS, and what is made of each."""
    return _table(("header", "taken for"), [(f"`{line}`", _meaning(line)) for line in HEADERS])


def _meaning(line: str) -> str:
    """Return what each column of a header line is taken for, in order; or why it is refused, and how to settle that."""
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
    """Return the table of the names that are understood for each column."""
    return _table(("column", "names understood"), [(f"`{column}`", ", ".join(names)) for column, names in NAMES.items()])


def settings() -> Iterator[tuple[str, str, str, bool]]:
    """Give each setting of .env.example: name, value, what it is for, and whether the line is a comment."""
    purpose = ""
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines():
        if setting := SETTING.fullmatch(line):
            yield setting["name"], setting["value"], purpose, line.startswith("#")
        else:
            purpose = line.removeprefix("# ")


def setting_table() -> str:
    """Return the table of settings; a value that only fits the servers of docker-compose.yml is no default."""
    rows = [
        (f"`{name}`", f"`{value}`" if value and commented else "", purpose.replace("*", r"\*"))
        for name, value, purpose, commented in settings()
    ]
    return _table(("setting", "default", "what it is"), rows)


def module_map() -> str:
    """Return the modules with the first lines of their docstrings."""
    package = Path(bookreport.__file__).parent
    first_lines = {
        path.stem: path.read_text(encoding="utf-8").removeprefix('"""').partition("\n")[0].removesuffix('"""')
        for path in sorted(package.glob("*.py"))
        if not path.stem.startswith("__")
    }
    return _table(("module", "what it does"), [(f"`{name}`", line) for name, line in first_lines.items()])


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)
