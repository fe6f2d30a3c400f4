"""How an hour is loaded: once, whole, and accounted for."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bookreport import ledger
from bookreport.database import Database, Transaction, literal
from bookreport.errors import (
    BadData,
    BookreportError,
    ChangedWhileLoading,
    CommitUnknown,
    CopyRefused,
    Interrupted,
    Locked,
    NotReady,
)
from bookreport.hours import Hour
from bookreport.ledger import Attempt, Entry, FileLoad
from bookreport.rows import Columns, Reading, RowStream, split_header, without_bom
from bookreport.source import Bucket, File

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How the load of one hour ended.

    `outcome`: loaded, reloaded, unchanged, failed, locked or not-ready; `attempt`: how many there were, this one
    included; counts are of the hour as it is now in the ledger; `seconds` is this attempt's wall time.
    """

    hour: Hour
    outcome: str
    attempt: int = 0
    files: int = 0
    bytes: int = 0
    rows_loaded: int = 0
    rows_rejected: int = 0
    rows_unmatched: int = 0
    seconds: float = 0.0
    error: BookreportError | None = None

    @classmethod
    def of(cls, outcome: str, entry: Entry, seconds: float) -> Outcome:
        """Return the outcome of an hour that stands in the ledger as `entry`."""
        return cls(
            entry.hour,
            outcome,
            entry.attempts,
            entry.files,
            entry.bytes,
            entry.rows_loaded,
            entry.rows_rejected,
            entry.rows_unmatched,
            seconds,
        )


@dataclass
class Stopwatch:
    """Seconds by phase of one attempt."""

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    seconds: dict[str, float] = field(default_factory=dict)
    _start: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time of the block to the phase."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)

    @property
    def total(self) -> float:
        return round(time.monotonic() - self._start, 3)


class Loader:
    """Loads hours of one bucket into one database; one run of the tool, known by its `run_id`.

    `new_source` says that the bucket has moved. Making one raises Configuration when the ledger speaks of another bucket.
    """

    def __init__(self, database: Database, bucket: Bucket, columns: Columns, *, new_source: bool = False) -> None:
        self.run_id: UUID = uuid4()
        self._database = database
        self._bucket = bucket
        self._columns = columns
        self._told: set[str] = set()
        with database.transaction() as transaction:
            ledger.check_source(transaction, bucket, new_source=new_source)

    def pending(
        self,
        *,
        since: Hour | None = None,
        until: Hour | None = None,
        everything: bool = False,
        lookback: timedelta = timedelta(days=7),
    ) -> list[Hour]:
        """Return the hours that are complete and not loaded, oldest first.

        Without a span: from the newest loaded hour less `lookback` on, and every failed hour however old; the whole bucket
        when `everything` is asked for or nothing is loaded yet. Counted from the data, never from the clock.
        """
        with self._database.transaction() as transaction:
            failed: list[Hour] = []
            if since is None and until is None and not everything:
                newest = ledger.newest_loaded(transaction)
                since = Hour(newest.start - lookback) if newest else None
                failed = ledger.failed_hours(transaction)
            settled = ledger.settled_hours(transaction, since)
        found = self._bucket.hours(since, until, settled)
        return [hour for hour in sorted({*found, *failed}) if self._bucket.marker(hour)]

    def load_hours(self, hours: Iterable[Hour], *, again: bool = False) -> Iterator[Outcome]:
        """Load `hours` in their order, and give each one's outcome as it ends.

        Not ready, bad data and locked stop the hour alone; what else goes wrong is the last outcome, and ends the run.
        """
        for hour in hours:
            outcome = self.load(hour, again=again)
            yield outcome
            if outcome.error is not None and not isinstance(outcome.error, NotReady | BadData | Locked):
                return

    def load(self, hour: Hour, *, again: bool = False) -> Outcome:
        """Load `hour` and return how it ended; a failure is in the outcome, and in the ledger.

        `again`: replace the hour if it is loaded. Raises Interrupted, with nothing of the hour changed.
        """
        watch = Stopwatch()
        try:
            return self._load_hour(hour, watch, again=again)
        except Interrupted:
            raise
        except (NotReady, Locked) as error:
            error.hour = hour.instant
            return Outcome(hour, error.kind, seconds=watch.total, error=error)
        except BookreportError as error:
            error.hour = hour.instant
            return Outcome(hour, "failed", self._record_failure(hour, watch, error), seconds=watch.total, error=error)

    def _load_hour(self, hour: Hour, watch: Stopwatch, *, again: bool) -> Outcome:
        with watch.phase("list"):
            marker_at = self._see_marker(hour)
            files = self._bucket.files(hour)
        with self._database.transaction() as transaction:
            transaction.rows("ensure_month", hour=hour.start)
        try:
            with self._database.transaction() as transaction:
                if not transaction.try_lock(hour.instant):
                    raise Locked(f"{hour} is being loaded by another run", hint="leave it to that run, or try again later")
                known = ledger.entry(transaction, hour)
                if known is not None and known.is_loaded and not again:
                    return Outcome.of("unchanged", known, watch.total)
                before = self._clear(transaction, hour, known, files)
                transaction.rows("set_hour", hour=hour.instant)
                with watch.phase("copy"):
                    loads = [self._copy_file(transaction, hour, file) for file in files]
                with watch.phase("sums"):
                    after = ledger.add_up(transaction, hour)
                with watch.phase("list"):
                    self._see_no_change(hour, files)
                self._account(hour, loads, after)
                attempt = Attempt(self.run_id, hour, watch.started_at, watch.seconds | {"total": watch.total})
                entry = ledger.record_load(transaction, attempt, self._bucket, marker_at, loads, before, after)
        except CommitUnknown as error:
            entry = self._committed_after_all(hour, error)
        else:
            self._read_back(hour, entry)
        with self._database.transaction() as transaction:
            transaction.rows("summarise", hour=hour.start)
        return Outcome.of("reloaded" if before else "loaded", entry, watch.total)

    def _see_marker(self, hour: Hour) -> datetime:
        marker_at = self._bucket.marker(hour)
        if marker_at is None:
            raise NotReady(f"{hour} is not complete: {self._bucket.url(hour)} has no marker", hint="try again later")
        return marker_at

    def _clear(
        self, transaction: Transaction, hour: Hour, known: Entry | None, files: tuple[File, ...]
    ) -> ledger.Sums | None:
        """Take away what an earlier load left; return its sums, or None when the hour was not loaded."""
        before = None
        if known is not None and known.is_loaded:
            if known.files and not files:
                raise BadData(
                    f"all {known.files} files of {hour} are gone from {self._bucket.url(hour)}; the hour stays as it was loaded",
                    hint="bring the files back, or look for who removed them",
                )
            before = ledger.sums(transaction, hour)
        if known is not None:
            ledger.remove(transaction, hour)
        return before

    def _copy_file(self, transaction: Transaction, hour: Hour, file: File) -> FileLoad:
        """Stream one file into COPY; its bytes are touched by no Python but the counting of lines."""
        try:
            reading, first_line, chunks = self._open(hour, file)
            if reading is None:
                return FileLoad(file, None, 0)
            stream = RowStream(chunks)
            with transaction.savepoint():
                rows_loaded = self._copy(transaction, reading, stream)
                if rows_loaded != stream.lines:
                    raise CopyRefused(f"{stream.lines:,} lines went by, but COPY made {rows_loaded:,} rows of them")
        except CopyRefused as error:
            where = f", line {error.line + first_line}" if error.line is not None else ""
            raise BadData(f"{file.key}{where}: {error.message}", hint="mend the file in the bucket") from error
        except BadData as error:
            raise BadData(f"{file.key}: {error.message}", hint=error.hint) from error
        log.debug("%s %s: %s rows", hour, file.key, f"{rows_loaded:,}")
        return FileLoad(file, reading, rows_loaded)

    def _open(self, hour: Hour, file: File) -> tuple[Reading | None, int, Iterator[bytes]]:
        """Return how the file's header is read (None: the file is empty), how many lines it took, and the bytes behind it."""
        content = self._bucket.read(hour, file)
        if self._columns.given is not None:
            return self._columns.given, 0, without_bom(content)
        header, lines, chunks = split_header(content)
        reading = self._columns.read(header) if header else None
        if reading is not None:
            self._tell(file, reading)
        return reading, lines, chunks

    def _tell(self, file: File, reading: Reading) -> None:
        shape = repr(reading.header)
        if shape in self._told:
            return
        self._told.add(shape)
        read = ", ".join(f"{column}={name!r}" for column, name in reading.names.items())
        log.debug("%s: header read as %s", file.key, read)
        if reading.dropped:
            log.info("%s: the unnamed first column is taken for an index and left out", file.key)
        if reading.extra:
            log.debug("%s: kept in extra: %s", file.key, ", ".join(reading.extra))
        if not reading.priced:
            log.info("%s: no column for a price; the catalogue's own price is taken", file.key)

    @staticmethod
    def _copy(transaction: Transaction, reading: Reading, stream: RowStream) -> int:
        if reading.direct:
            in_order = sorted(reading.columns, key=lambda column: reading.columns[column])
            return transaction.copy("purchase_rows", in_order, stream, _empty_values(reading.columns))
        return _copy_by_table(transaction, reading, stream)

    def _see_no_change(self, hour: Hour, files: tuple[File, ...]) -> None:
        listed, now = {file.identity for file in files}, {file.identity for file in self._bucket.files(hour)}
        if listed != now:
            keys = ", ".join(sorted({key for key, _, _ in listed ^ now})[:5])
            raise ChangedWhileLoading(f"the files of {hour} changed while it was loaded: {keys}", hint="the next run tries again")

    @staticmethod
    def _account(hour: Hour, loads: list[FileLoad], after: ledger.Sums) -> None:
        """Hold what COPY said against what the tables hold."""
        copied = sum(load.rows_loaded for load in loads)
        if copied != after.rows:
            raise BookreportError(f"{hour}: COPY made {copied:,} rows, but the table holds {after.rows:,}; nothing was kept")

    def _committed_after_all(self, hour: Hour, error: CommitUnknown) -> Entry:
        """Return the hour's entry if the commit whose answer was lost did happen; raise `error` if it did not."""
        with self._database.transaction() as transaction:
            # The old backend may still be committing: it holds the hour's lock until it is done.
            transaction.wait_for_lock(hour.instant)
            entry = ledger.entry(transaction, hour)
            if entry is None or not ledger.load_of_run(transaction, self.run_id, hour):
                raise error
        log.info("%s: the connection was lost while committing; the ledger says it is loaded", hour)
        return entry

    def _read_back(self, hour: Hour, recorded: Entry) -> None:
        with self._database.transaction() as transaction:
            entry = ledger.entry(transaction, hour)
        # A newer load_id is another run's reload, that came after this commit.
        if entry is None or entry.load_id is None or recorded.load_id is None or entry.load_id < recorded.load_id:
            raise BookreportError(f"{hour} was committed, but is not in the ledger", hint="look at the server's log; run it again")

    def _record_failure(self, hour: Hour, watch: Stopwatch, error: BookreportError) -> int:
        attempt = Attempt(self.run_id, hour, watch.started_at, watch.seconds | {"total": watch.total})
        try:
            return ledger.record_failure(self._database, attempt, self._bucket, error.message)
        except BookreportError as second:
            # A database out of reach keeps no record; the first failure is what the user must see.
            error.__context__ = second
            return 0


def _empty_values(columns: Iterable[str]) -> str:
    """Return COPY's options by which an empty field means the same, quoted or not."""
    given = set(columns)
    texts = [column for column in ("user_id", "isbn10") if column in given]
    others = [column for column in ("quantity", "unit_price", "sale_value", "purchased_at") if column in given]
    return f", force_not_null ({', '.join(texts)})" + (f", force_null ({', '.join(others)})" if others else "")


_TYPES = {"quantity": "integer", "unit_price": "numeric", "sale_value": "numeric"}


def _copy_by_table(transaction: Transaction, reading: Reading, stream: RowStream) -> int:
    """Load a file that has columns which purchase_rows does not, or no price, through a temporary table."""
    if not reading.priced:
        known = transaction.row("catalogue_has_prices")
        if known is None or not known.has_prices:
            raise BadData(
                f"no column for a price in {list(reading.header)}, and the catalogue has no prices",
                hint="name the price's column: BOOKREPORT_COLUMNS='unit_price=NAME'",
            )
    name_of = {position: column for column, position in reading.columns.items()}
    names = [name_of.get(position, f"c{position}") for position in range(len(reading.header))]
    definitions = ", ".join(f"{name} {_TYPES.get(name, 'text')}" for name in names)
    transaction.script(f"create temporary table incoming ({definitions}) on commit drop")
    others = [f"c{position}" for position in reading.extra.values()]
    options = _empty_values(reading.columns)
    if others:
        options = options.replace("force_not_null (", f"force_not_null ({', '.join(others)}, ")
    rows_copied = transaction.copy("incoming", names, stream, options)
    values = {column: f"i.{column}" for column in reading.columns}
    joined = ""
    if not reading.priced:
        values["unit_price"] = "c.price"
        joined = " left join catalogue c on c.isbn10 = canonical_isbn(i.isbn10)"
    if others:
        keys = ", ".join(map(literal, reading.extra))
        values["extra"] = f"jsonb_object(array[{keys}], array[{', '.join(f'i.{name}' for name in others)}])"
    transaction.script(
        f"insert into purchase_rows ({', '.join(values)}) select {', '.join(values.values())} from incoming i{joined};"
        " drop table incoming"
    )
    return rows_copied
