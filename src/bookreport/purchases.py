"""The table of purchases: its months, COPY into it, its sums."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import IO, cast

from bookreport.columns import MOST_COLUMNS, NAMES, Columns, Reading, shown
from bookreport.database import Stream, Transaction
from bookreport.errors import BadData
from bookreport.hours import Hour
from bookreport.outcomes import Total
from bookreport.quoting import literal
from bookreport.records import RecordCheck
from bookreport.rejects import HourRejects
from bookreport.rows import RowStream

MOST_UNKNOWN = MOST_COLUMNS - len(NAMES)
"""Maximum number of unknown columns in a file: as many as a Postgres table has room for."""

_SOON_DELETED = 1 << 18
"""Bytes up to which DELETE is faster than TRUNCATE, which takes 2 ms to recreate the table's TOAST index."""


@dataclass(frozen=True)
class Sums(Total):
    """The sums of one hour that were compared with the catalogue.

    `rows_unmatched` were sold under an ISBN that is not in it, `rows_without_isbn` under something that is no ISBN.
    """

    rows_unmatched: int
    rows_without_isbn: int


def ensure_month(transaction: Transaction, hour: Hour) -> None:
    """Create the table partition of the hour's month if it is missing; in its own transaction, so that nobody waits."""
    transaction.rows("purchases/ensure_month", hour=hour.start)


def tables_of(hour: Hour) -> tuple[str, str]:
    """Return the names of the tables that hold the hour's rows and its sums."""
    # Python's %Y does not pad years before 1000 with zeros; Postgres, which names the tables, does.
    return f"purchase_rows_{hour.start.year:04}_{hour.start.month:02}", "hour_sums"


def begin_hour(transaction: Transaction, hour: Hour) -> None:
    """Set the hour that this transaction's rows belong to; their table exists from then on, even if it was just pruned."""
    transaction.rows("purchases/set_hour", hour=hour.instant)


def remove(transaction: Transaction, hour: Hour) -> None:
    """Delete the hour's rows and sums by ISBN, for the load that replaces them; `group` replaces the others."""
    transaction.run("purchases/delete_rows", hour=hour.start)
    transaction.run("purchases/delete_sums", hour=hour.start)


def remove_rejects(transaction: Transaction, hour: Hour) -> None:
    """Delete the hour's rejects, for the load that replaces them."""
    transaction.run("purchases/delete_rejects", hour=hour.start)


def make_room(transaction: Transaction, reading: Reading) -> None:
    """Prepare what `copy_rows` needs for a file with this reading; call it before the file's savepoint.

    Files that can't go straight into purchase_rows share one temporary table: one per file would hold its locks until the
    commit. Raises what `require_loadable` does.
    """
    if reading.direct:
        return
    require_loadable(transaction, reading)
    unknown = len(reading.header) - len(reading.columns)
    incoming = transaction.row("purchases/incoming")
    if incoming is None:
        transaction.run("purchases/make_incoming")
    elif incoming.bytes:
        # Created and emptied outside any savepoint, the table frees its space at once and not at the commit.
        transaction.script("delete from incoming" if incoming.bytes <= _SOON_DELETED else "truncate incoming")
    width = len(NAMES) if incoming is None else incoming.columns
    # Compressed, a value might need more than a pointer to it: see ROOM_IN_A_ROW.
    wider = [f"add {name} text, alter {name} set storage external" for name in _unknown_columns(unknown)[width - len(NAMES) :]]
    if wider:
        transaction.script(f"alter table incoming {', '.join(wider)}")


def copy_rows(transaction: Transaction, reading: Reading, stream: Stream) -> int:
    """COPY a file's rows, in the order of its own columns, and return how many COPY loaded.

    They go straight into purchase_rows if the file has no other columns; otherwise through the table of `make_room`. Raises
    CopyRefused for a row that the table does not accept.
    """
    if not reading.direct:
        return _copy_by_table(transaction, reading, stream)
    in_order = sorted(reading.columns, key=lambda column: reading.columns[column])
    return transaction.copy("purchase_rows", in_order, stream, _empty_values(reading.columns))


def require_loadable(transaction: Transaction, reading: Reading) -> None:
    """Raise BadData if a file has more columns than there is room for, or if there is no price to use."""
    if not reading.priced and not transaction.one("purchases/catalogue_has_prices").has_prices:
        raise BadData(
            f"no price column in the header {shown(reading.header)}, and the catalogue has no prices",
            hint="name the price column: BOOKREPORT_COLUMNS='unit_price=NAME'",
        )
    unknown = len(reading.header) - len(reading.columns)
    if unknown > MOST_UNKNOWN:
        raise BadData(
            f"{unknown:,} unknown columns in the header {shown(reading.header)}; the limit is {MOST_UNKNOWN:,}",
            hint="check that it is a CSV file of purchases; write fewer columns",
        )


def record_check(
    transaction: Transaction, key: str, reading: Reading, header_lines: int, columns: Columns, rejects: HourRejects
) -> RecordCheck:
    """Return the check that judges the records of the file `key` as this database's tables and server do."""
    has_price = frozenset[str]()
    if not reading.priced:
        has_price = frozenset(row.isbn10 for row in transaction.rows("purchases/priced_isbns"))
    return RecordCheck(
        key,
        reading,
        columns,
        header_lines=header_lines,
        server_version=transaction.server_version,
        has_price=has_price,
        hour_rejects=rejects,
    )


def set_aside(transaction: Transaction, rejects: IO[bytes]) -> None:
    """COPY a file's rejects (CSV: key, line number, reason, raw) into their table."""
    rejects.seek(0)
    stream = RowStream(iter(lambda: rejects.read(1 << 16), b""))
    transaction.copy("rejects", ("key", "line_number", "reason", "raw"), stream, "")


def add_up(transaction: Transaction, hour: Hour) -> None:
    """Store the sums of the hour's rows by ISBN."""
    transaction.run("purchases/new_sums", hour=hour.start)
    transaction.run("purchases/insert_sums", hour=hour.start)


def hold_catalogue(transaction: Transaction) -> datetime:
    """Keep the catalogue as it is until the transaction ends, and return when its books were read.

    Whoever writes sums by format and language holds it from before he reads the catalogue or deletes such sums: a refresh
    moves the sums that it sees. It may have to wait for that refresh; raises Locked after LOCK_SECONDS.
    """
    return cast(datetime, transaction.one("purchases/hold_catalogue").as_of)


def group(transaction: Transaction, hour: Hour) -> Sums:
    """Store the hour's sums by format and language, from which reports are made, and return their total."""
    hold_catalogue(transaction)
    transaction.run("purchases/delete_groups", hours=[hour.start])
    transaction.run("purchases/delete_unmatched", hours=[hour.start])
    return Sums(**transaction.one("purchases/insert_groups", hour=hour.start)._asdict())


def sums(transaction: Transaction, hour: Hour) -> Total:
    """Return the total of the hour's stored sums."""
    return Total(**transaction.one("purchases/hour_total", hour=hour.start)._asdict())


def summarise(transaction: Transaction, hour: Hour) -> None:
    """Summarise the month's newest pages in its BRIN index; after the commit, since it would make other loads wait."""
    transaction.rows("purchases/summarise", hour=hour.start)


def _empty_values(columns: Iterable[str], unknown: Iterable[str] = ()) -> str:
    """Return the COPY options that give an empty field the same meaning, quoted or not."""
    given = set(columns)
    texts = [*(column for column in ("user_id", "isbn10") if column in given), *unknown]
    others = [column for column in ("quantity", "unit_price", "sale_value", "purchased_at") if column in given]
    return f", force_not_null ({', '.join(texts)})" + (f", force_null ({', '.join(others)})" if others else "")


def _unknown_columns(number: int) -> list[str]:
    return [f"x{place}" for place in range(number)]


def _copy_by_table(transaction: Transaction, reading: Reading, stream: Stream) -> int:
    """Load a file with columns that purchase_rows lacks, or without a price, through the table of `make_room`."""
    name_of = {position: column for column, position in reading.columns.items()}
    unknown = [position for position in range(len(reading.header)) if position not in name_of]
    name_of |= dict(zip(unknown, _unknown_columns(len(unknown)), strict=True))
    in_order = [name_of[position] for position in range(len(reading.header))]
    extra = [name_of[position] for position in reading.extra.values()]
    rows_copied = transaction.copy("incoming", in_order, stream, _empty_values(reading.columns, extra))
    values = {column: f"i.{column}" for column in reading.columns}
    joined = ""
    if not reading.priced:
        values["unit_price"] = "c.price"
        # One index lookup in the catalogue per row: a join would read the whole catalogue for each file.
        joined = (
            ' left join lateral (select price from catalogue where isbn10 = canonical_isbn(i.isbn10) collate "C" limit 1) c'
            " on true"
        )
    if extra:
        keys = ", ".join(map(literal, reading.extra))
        values["extra"] = f"jsonb_object(array[{keys}], array[{', '.join(f'i.{name}' for name in extra)}])"
    transaction.insert(
        f"insert into purchase_rows ({', '.join(values)}) select {', '.join(values.values())} from incoming i{joined}"
    )
    return rows_copied
