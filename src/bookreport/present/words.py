"""How single values are printed (amounts, names, hours, instants), and how text becomes JSON, CSV, a table, Markdown."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from bookreport.hours import MOST_SPANS, Span, spans_in_words
from bookreport.messages import json_text, plain

if TYPE_CHECKING:
    # Only types are needed here: a report must not wait for boto3.
    from bookreport.partitions import FarOff
    from bookreport.unusual import Unusual

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")


def money(amount: Decimal) -> str:
    """Return an exact amount with two decimals, or more if it has more."""
    text = f"{amount:f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 file` or `1,234 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def named(name: str | None) -> str:
    """Return the name of a format or language, safe to print, and visible even if it is empty."""
    return "(none)" if name is None else plain(name) if name.strip() else "(empty)"


def thousands(amount: Decimal) -> str:
    """Return an exact amount like `money`, with thousands separators."""
    return f"{Decimal(money(amount)):,}"


def signed(amount: Decimal | int | None, unit: str = "") -> str:
    """Return a change with its sign, such as `+1,234` or `-3.4%`, zero without one; `n/a` if there is none."""
    if amount is None:
        return "n/a"
    shown = f"{Decimal(money(amount)) if isinstance(amount, Decimal) and not unit else amount:+,}{unit}"
    return shown if amount else shown[1:]


def instant(moment: datetime) -> str:
    """Return an instant in RFC 3339, to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unusual_in_words(unusual: Sequence[Unusual]) -> list[str]:
    """Return a sentence for the hours with too few rows, and one for those with too many, with runs of them as spans."""
    lines = []
    for fewer, those in (("fewer", [each for each in unusual if each.is_few]), ("more", [e for e in unusual if not e.is_few])):
        by_hour = {each.hour: each for each in those}
        spans = Span.runs(by_hour)
        told = [f"{spans_in_words([span])} ({_rows_of([by_hour[hour] for hour in span])})" for span in spans[:MOST_SPANS]]
        more = f" and {len(spans) - MOST_SPANS} more" if len(spans) > MOST_SPANS else ""
        if those:
            have = "has" if len(those) == 1 else "have"
            lines.append(f"{counted(len(those), 'hour')} {have} far {fewer} rows than usual: {', '.join(told)}{more}")
    return lines


def _rows_of(unusual: Sequence[Unusual]) -> str:
    return f"{sum(each.rows for each in unusual):,}, usually {sum(each.usual for each in unusual):,}"


def unusual_json(unusual: Sequence[Unusual]) -> list[dict[str, object]]:
    """Return unusual hours as `bookreport.report/1` and `bookreport.status/1` have them."""
    return [{"hour": each.hour.instant, "rows": each.rows, "usual": each.usual} for each in unusual]


def as_number(amount: Decimal | None) -> float | None:
    """Return an amount as a JSON number, for percentages; money is text."""
    return None if amount is None else float(amount)


def far_off_json(far_off: Sequence[FarOff]) -> list[dict[str, object]]:
    """Return what lies far off in time as `bookreport.run/1` and `bookreport.status/1` have it."""
    return [{"prefix": each.prefix, "since": each.since.instant, "until": each.until.instant} for each in far_off]


def as_json(document: dict[str, object]) -> str:
    """Return a document as indented JSON text."""
    return json_text(document, indent=2)


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]], *, texts: Sequence[int], excel: bool) -> str:
    """Return CSV (RFC 4180) with LF and the cells as they are, but for controls other than tabs and line ends, made visible.

    `excel`: for a spreadsheet, with a byte order mark and CRLF and, in the columns `texts`, which hold other people's text,
    an apostrophe before what it would take for a formula.
    """
    lines = [_csv_line(header, excel=excel)]
    for row in rows:
        cells = [plain(cell, keep="\t\r\n") if isinstance(cell, str) else cell for cell in row]
        for position in texts if excel else ():
            if str(cells[position] or "").startswith(_FORMULA):
                cells[position] = f"'{cells[position]}"
        lines.append(_csv_line(cells, excel=excel))
    return ("\ufeff" if excel else "") + "".join(lines)


def _csv_line(cells: Sequence[object], *, excel: bool) -> str:
    output = io.StringIO()
    # The writer quotes cells with a character of its line end: without CR in it, a bare one would break the record.
    csv.writer(output, lineterminator="\r\n").writerow(cells)
    return output.getvalue() if excel else output.getvalue().removesuffix("\r\n") + "\n"


def markdown_cell(cell: str) -> str:
    """Return `cell` so that neither a ticket nor a chat sees markup, a link or a mention in it."""
    entities = cell.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # A zero-width space after @ keeps it from mentioning anybody; a backslash would not.
    return re.sub(r"([\\`*_{}\[\]#|~$]|:(?=//)|(?<=www)\.)", r"\\\1", entities).replace("@", "@\u200b")


def as_table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = (), total: bool = False) -> str:
    """Return a table at its natural width, whatever the terminal's."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, header_style=None)
    rights = set(right)
    for position, name in enumerate(header):
        table.add_column(name, justify="right" if position in rights else "left", no_wrap=True)
    rows = list(rows)
    for number, row in enumerate(rows):
        table.add_row(*row, end_section=total and number == len(rows) - 2)
    output = io.StringIO()
    # Names are plain text, whatever rich would make of their brackets and colons.
    console = Console(file=output, width=100_000, color_system=None, force_terminal=False, markup=False, emoji=False)
    console.print(table, highlight=False)
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines())
