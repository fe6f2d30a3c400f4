"""What a load would do: the hours it would take, and how it would read each shape of header."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace

from bookreport import ledger
from bookreport.database import Database
from bookreport.errors import BadData, NotReady
from bookreport.hours import Hour
from bookreport.loader import Outcome
from bookreport.rows import Columns, Reading, split_header, without_bom
from bookreport.source import Bucket, File

SHOWN, SAMPLED = 3, 1000
"""Rows shown, and rows whose ISBNs are looked up, of each shape of header."""


@dataclass(frozen=True)
class Sample:
    """One shape of header: how many files have it, how it is read, its first rows, and how many of its ISBNs match a book."""

    files: int
    reading: Reading
    rows: tuple[tuple[str, ...], ...]
    isbns_matched_percent: float | None


@dataclass
class Preview:
    """What a load would do; nothing was written."""

    outcomes: list[Outcome] = field(default_factory=list)
    readings: list[Sample] = field(default_factory=list)


def preview(
    database: Database, bucket: Bucket, columns: Columns, hours: Iterable[Hour], *, again: Container[Hour] = ()
) -> Preview:
    """Return what loading `hours` would do; reads the beginning of each file, and writes nothing."""
    result = Preview()
    shapes: dict[tuple[str, ...], Sample] = {}
    for hour in hours:
        with database.transaction(snapshot=True) as transaction:
            known = ledger.entry(transaction, hour)
        if known is not None and known.is_loaded and hour not in again:
            result.outcomes.append(Outcome.of("unchanged", known, 0.0))
            continue
        try:
            if bucket.marker(hour) is None:
                raise NotReady(f"{hour} is not complete: {bucket.url(hour)} has no marker", hint="try again later")
            files = bucket.files(hour)
            for file in files:
                _look_into(database, bucket, columns, hour, file, shapes)
        except (BadData, NotReady) as error:
            error.hour = hour.instant
            outcome = "not-ready" if isinstance(error, NotReady) else "failed"
            result.outcomes.append(Outcome(hour, outcome, error=error))
            continue
        would = "would-reload" if known is not None and known.is_loaded else "would-load"
        result.outcomes.append(Outcome(hour, would, files=len(files), bytes=sum(file.size for file in files)))
    result.readings = list(shapes.values())
    return result


def _look_into(
    database: Database, bucket: Bucket, columns: Columns, hour: Hour, file: File, shapes: dict[tuple[str, ...], Sample]
) -> None:
    content = bucket.read(hour, file)
    try:
        if columns.given is not None:
            reading, chunks = columns.given, without_bom(content)
        else:
            header, _, chunks = split_header(content)
            if not header:
                return
            reading = columns.read(header)
    except BadData as error:
        raise BadData(f"{file.key}: {error.message}", hint=error.hint) from error
    seen = shapes.get(reading.header)
    if seen is not None:
        shapes[reading.header] = replace(seen, files=seen.files + 1)
        return
    rows = list(itertools.islice(csv.reader(_lines(chunks)), SAMPLED))
    position = reading.columns["isbn10"]
    isbns = [row[position] for row in rows if len(row) > position]
    shapes[reading.header] = Sample(1, reading, tuple(map(tuple, rows[:SHOWN])), _matched_percent(database, isbns))


def _matched_percent(database: Database, isbns: list[str]) -> float | None:
    if not isbns:
        return None
    with database.transaction(snapshot=True) as transaction:
        matched: int = transaction.one("isbns_matched", isbns=isbns).matched
    return round(100 * matched / len(isbns), 1)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Give the lines of the first chunks; a line cut by the end of a file is given as it is."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace").replace("\0", "\ufffd") + "\n"
    if rest:
        yield rest.decode("utf-8", "replace").replace("\0", "\ufffd")
