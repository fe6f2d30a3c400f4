"""What a load would do: which hours it would take, how it would read each shape of header, what it would set aside."""

from __future__ import annotations

import csv
import io
from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace

from bookreport import catalogue, ledger, purchases
from bookreport.bucket import Bucket
from bookreport.columns import Columns, Reading
from bookreport.database import Database
from bookreport.errors import BadData, NotReady, TooManyRejects, Unreadable
from bookreport.files import File
from bookreport.gzipped import most_bytes
from bookreport.hours import Hour
from bookreport.ledger import FileLoad
from bookreport.loader import require_files, warn_of_markers
from bookreport.outcomes import Ending, Outcome
from bookreport.rejects import HourRejects, RejectLimit
from bookreport.rows import LONGEST_LINE, opened

# Of the whole process: a field may be as long as a record that the check lets through.
csv.field_size_limit(2 * LONGEST_LINE)

SHOWN, SAMPLED = 3, 1000
"""Rows shown, and rows whose ISBNs are looked up, for each shape of header."""


@dataclass(frozen=True)
class Sample:
    """One shape of header: how many files have it, how it is read, its first rows, and how many of its ISBNs match a book."""

    files: int
    reading: Reading
    rows: tuple[tuple[str, ...], ...]
    isbns_matched_percent: float | None


@dataclass
class Preview:
    """What a load would do, with the `books` as the catalogue has them; nothing was written.

    `head`: only the head of each file was read.
    """

    books: catalogue.State
    head: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    readings: list[Sample] = field(default_factory=list)


def preview(
    database: Database,
    bucket: Bucket,
    columns: Columns,
    hours: Iterable[Hour],
    *,
    reject_limit: RejectLimit,
    again: Container[Hour] = (),
    head: bool = False,
) -> Preview:
    """Return what loading `hours` would do; checks every record of their files and writes nothing.

    `head`: reads on in a file only until SAMPLED of its records are checked. The counts are then of these, and what comes
    after them may still be refused.
    """
    result = Preview(catalogue.state(database), head)
    looker = _Looker(database, bucket, columns, most=SAMPLED if head else None)
    odd_markers: dict[Hour, File] = {}
    for hour in hours:
        with database.transaction(snapshot=True) as transaction:
            known = ledger.entry(transaction, hour)
        if known is not None and known.is_loaded and hour not in again:
            result.outcomes.append(Outcome.of(Ending.UNCHANGED, known, 0.0))
            continue
        try:
            marker, files = bucket.complete(hour)
            if marker.size:
                odd_markers[hour] = marker
            require_files(bucket, known, hour, files)
            most = {file.key: most_bytes(file.size) for file in files}
            rejects = HourRejects(reject_limit, most, hour=str(hour), folder=bucket.url(hour))
            loads = [looker.look_into(hour, file, rejects) for file in files]
            if hour not in looker.left_off:
                rejects.require_within_limit()
        except (BadData, NotReady, Unreadable) as error:
            error.hour = hour.instant
            outcome = Ending.NOT_READY if isinstance(error, NotReady) else Ending.FAILED
            result.outcomes.append(Outcome(hour, outcome, error=error.alone()))
            continue
        result.outcomes.append(
            Outcome(
                hour,
                Ending.WOULD_RELOAD if known is not None and known.is_loaded else Ending.WOULD_LOAD,
                files=len(loads),
                bytes=sum(load.file.size for load in loads),
                rows_loaded=sum(load.rows_loaded for load in loads),
                rows_rejected=sum(load.rows_rejected for load in loads),
            )
        )
    warn_of_markers(odd_markers)
    result.readings = list(looker.shapes.values())
    return result


class _Looker:
    """Checks files as the careful path does, and keeps a sample of each shape of header.

    `most`: leaves off in a file once so many records of it are checked; `left_off` are the hours of such files.
    """

    def __init__(self, database: Database, bucket: Bucket, columns: Columns, *, most: int | None) -> None:
        self.shapes: dict[tuple[str, ...], Sample] = {}
        self.left_off: set[Hour] = set()
        self._database, self._bucket, self._columns, self._most = database, bucket, columns, most

    def look_into(self, hour: Hour, file: File, rejects: HourRejects) -> FileLoad:
        """Return how the file would be loaded; raises BadData if it would be refused."""
        try:
            content = self._bucket.read(hour, file)
            with opened(content, self._columns, self._database.raise_if_interrupted) as body:
                if body.reading is None:
                    return FileLoad(file, None, 0)
                rejects.expect(file.key, content.most_bytes, body.reading.shortest_row)
                with self._database.transaction(snapshot=True) as transaction:
                    purchases.require_loadable(transaction, body.reading)
                    check = purchases.record_check(
                        transaction, file.key, body.reading, body.header_lines, self._columns, rejects
                    )
                sampled: list[list[str]] = []
                with check.rejects:
                    for good in check.good_rows(body.chunks):
                        if len(sampled) < SAMPLED:
                            sampled += csv.reader(io.StringIO(good.decode(), newline=""))
                        if self._most is not None and check.rows + check.rejected >= self._most:
                            self.left_off.add(hour)
                            break
        except BadData as error:
            if not isinstance(error, TooManyRejects):
                error.message = f"{self._bucket.url(hour, file.key)}: {error.message}"
            raise
        rejects.count_file(file.key, check.rows, check.rejected)
        self._keep(body.reading, sampled[:SAMPLED])
        return FileLoad(file, body.reading, check.rows, check.rejected)

    def _keep(self, reading: Reading, rows: list[list[str]]) -> None:
        seen = self.shapes.get(reading.header)
        if seen is not None:
            self.shapes[reading.header] = replace(seen, files=seen.files + 1)
            return
        isbns = [row[reading.columns["isbn10"]] for row in rows]
        percent = None
        if isbns:
            with self._database.transaction(snapshot=True) as transaction:
                percent = round(100 * transaction.one("preview/isbns_matched", isbns=isbns).matched / len(isbns), 1)
        self.shapes[reading.header] = Sample(1, reading, tuple(map(tuple, rows[:SHOWN])), percent)
