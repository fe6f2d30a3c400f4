"""The file of each hour: which ones are out of date, and how they catch up."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bookreport import catalogue, reports
from bookreport.database import Database
from bookreport.errors import Configuration
from bookreport.hours import Hour, Span
from bookreport.output import Output
from bookreport.reports import Report

BATCH = 50
"""Files written from one snapshot; while it is open, a snapshot keeps Postgres from cleaning up."""

MOST_FAILURES = 3
"""Consecutive files that can't be written, after which no other is tried."""


@dataclass(frozen=True)
class Files:
    """The files of a template: where they are, their format, and the language whose buyers they count."""

    output: Output
    format: str
    language: str


def behind(database: Database, files: Files) -> list[Hour]:
    """Return the loaded hours, newest first, whose file is not what would be written now.

    The file is gone or was replaced, or it was made from another load, in another format or language, or from a catalogue in
    which a book sold in the hour was different. Files found right are not checked again for the same catalogue changes.
    """
    with catalogue.current(database) as (transaction, books):
        languages = sorted(books.languages) if reports.lacks(books, files.language) else None
        wanted = {"path": files.output.identity, "format": files.format, "language": files.language, "languages": languages}
        known: dict[Hour, set[int | None]] = defaultdict(set)
        for row in transaction.rows("hourly/files_known", **wanted):
            known[Hour(row.hour)].add(row.file_time)
        there = {hour: files.output.of(hour).file_time for hour in known}
        right = {hour: time for hour, time in there.items() if time is not None and time in known[hour]}
        touched = {
            Hour(row.hour) for row in transaction.rows("hourly/files_touched", path=files.output.identity, **_times(right))
        }
    unchanged = {hour: time for hour, time in right.items() if hour not in touched}
    with database.transaction() as transaction:
        transaction.run("hourly/files_unchanged", path=files.output.identity, as_of=books.as_of, **_times(unchanged))
    return [hour for hour in known if hour not in unchanged]


def _times(files: Mapping[Hour, int]) -> dict[str, object]:
    return {"hours": [hour.start for hour in files], "file_times": list(files.values())}


def write(database: Database, files: Files, hours: Sequence[Hour], printed: Callable[[Report], str]) -> Iterator[Report]:
    """Write the file of each of `hours` that is still loaded, and yield its report; each is recorded as it is written.

    Raises Configuration if a file can't be written: after the others, or at once after MOST_FAILURES in a row.
    """
    failures: list[Configuration] = []
    in_a_row = 0
    for start in range(0, len(hours), BATCH):
        spans = map(Span.of_hour, hours[start : start + BATCH])
        for made in reports.make_reports(database, spans, [files.language], loaded_only=True):
            try:
                _write(database, files, made, printed(made))
            except Configuration as error:
                failures.append(error)
                in_a_row += 1
                if in_a_row == MOST_FAILURES:
                    raise failures[0] from error
                continue
            in_a_row = 0
            yield made
    if failures:
        raise failures[0]


def _write(database: Database, files: Files, made: Report, text: str) -> None:
    hour, path = made.span.since, files.output.identity
    file = files.output.of(hour)
    with database.transaction() as transaction:
        # Of two runs, the one that writes last also records last, so the record matches the file that is there.
        transaction.lock(path)
        replaced = file.file_time
        file.write(text)
        transaction.run(
            "hourly/record_written",
            host=socket.gethostname(),
            path=path,
            hour=hour.start,
            format=files.format,
            language=files.language,
            replaced=replaced,
            file_time=file.file_time,
            load_id=made.load_ids[0],
            as_of=made.catalogue.as_of,
            languages=sorted(made.catalogue.languages) if made.unknown_languages else None,
        )
