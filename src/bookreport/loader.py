"""How an hour is loaded: once, whole, and accounted for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from bookreport import ledger, purchases
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database, Transaction
from bookreport.errors import (
    BadData,
    BookreportError,
    ChangedWhileLoading,
    CommitUnknown,
    Configuration,
    CopyRefused,
    Locked,
    NotReady,
    TooManyRejects,
)
from bookreport.files import File
from bookreport.gzipped import most_bytes
from bookreport.hours import Hour
from bookreport.ledger import Attempt, FileLoad
from bookreport.outcomes import Ending, Entry, HourState, Outcome, Stopwatch, Total
from bookreport.rejects import HourRejects, RejectLimit
from bookreport.rows import Body, RowStream, only_plain, opened

log = logging.getLogger(__name__)


def require_files(bucket: Bucket, known: Entry | None, hour: Hour, files: Sequence[File]) -> None:
    """Raise BadData if the hour, `known` to the ledger with files, has none any more."""
    if known is not None and known.files and not files:
        raise BadData(
            f"all {known.files} files of {hour} are gone from {bucket.url(hour)}; the hour was left as it was",
            hint="restore the files, or find out who removed them",
        )


class _LeftBehind(BookreportError):
    """The tables hold rows or sums of an hour unknown to the ledger: somebody's, or left by a partial restore."""


class Loader:
    """Loads hours of one bucket into one database, for the run identified by `run_id`.

    `reject_limit`: how many records of an hour may be set aside.
    """

    def __init__(
        self, database: Database, bucket: Bucket, columns: Columns, *, run_id: UUID, reject_limit: RejectLimit
    ) -> None:
        self._run_id = run_id
        self._database = database
        self._bucket = bucket
        self._columns = columns
        self._reject_limit = reject_limit
        self._told: set[int] = set()
        self._months: set[Hour] = set()
        self._unsummarised: set[Hour] = set()
        self._odd_markers: dict[Hour, File] = {}

    def load(self, hour: Hour, *, again: bool = False, named: bool = False) -> Outcome:
        """Load `hour` and return how it ended; a failure is in the outcome, and in the ledger.

        `again`: replace the hour if it is loaded. `named`: load it even if it was skipped or pruned; without it, an hour that
        was skipped or pruned since it was chosen is left alone. Raises Interrupted, with nothing of the hour changed.
        """
        watch = Stopwatch()
        # Every other hour was chosen because nothing of it is loaded.
        settled_as: Entry | None = None
        try:
            if again or named:
                settled_as = self._entry(hour)
            try:
                return self._load_hour(hour, watch, again=again, named=named)
            except _LeftBehind as error:
                log.warning("%s", error.message)
                return self._load_hour(hour, watch, again=again, named=named, emptied=True)
        except BookreportError as error:
            failure = error
        except Exception as error:
            # A bug in loading one hour must not keep the others from being loaded.
            log.debug("%s: %s", hour, error, exc_info=True)
            failure = BookreportError(
                f"unexpected: {type(error).__name__}: {error}", hint="run it again with -v, and report it"
            )
        failure.hour = hour.instant
        if isinstance(failure, NotReady | Locked):
            return Outcome(hour, Ending(failure.kind), seconds=watch.total, error=failure.alone())
        # A wrong setting is not the hour's fault, and leaves no record.
        attempt = 0 if isinstance(failure, Configuration) else self._record_failure(hour, watch, failure, settled_as)
        still_loaded = settled_as is not None and settled_as.is_loaded
        return Outcome(hour, Ending.FAILED, attempt, seconds=watch.total, error=failure.alone(), still_loaded=still_loaded)

    def _load_hour(self, hour: Hour, watch: Stopwatch, *, again: bool, named: bool, emptied: bool = False) -> Outcome:
        with watch.phase("list"):
            marker, files = self._bucket.complete(hour)
        if marker.size:
            self._odd_markers[hour] = marker
        self._ensure_month(hour)
        try:
            with self._database.transaction() as transaction:
                ledger.lock(transaction, hour)
                ledger.require_source(transaction, self._bucket.identity)
                known = ledger.entry(transaction, hour)
                if known is not None and known.is_settled and not (again if known.is_loaded else named):
                    return Outcome.of(Ending.UNCHANGED if known.is_loaded else Ending(known.status), known, watch.total)
                purchases.begin_hour(transaction, hour)
                before = self._clear(transaction, hour, known, files, emptied=emptied)
                rejects = HourRejects(
                    self._reject_limit,
                    {file.key: most_bytes(file.size) for file in files},
                    hour=str(hour),
                    folder=self._bucket.url(hour),
                    are_kept=known is None or known.status in (HourState.FAILED, HourState.SKIPPED),
                )
                with watch.phase("copy"):
                    loads = [self._copy_file(transaction, hour, file, rejects) for file in files]
                rejects.require_within_limit()
                with watch.phase("sums"):
                    purchases.add_up(transaction, hour)
                with watch.phase("list"):
                    self._require_no_change(hour, files)
                # Last, since no other run can refresh the catalogue from here to the commit.
                with watch.phase("sums"):
                    after = purchases.group(transaction, hour)
                self._account(hour, loads, after, known)
                attempt = Attempt(self._run_id, hour, watch.started_at, watch.seconds | {"total": watch.total})
                entry = ledger.record_load(
                    transaction, attempt, self._bucket.identity, marker.last_modified, loads, before, after
                )
                twins = ledger.twins(transaction, hour)
        except CommitUnknown as error:
            entry = self._committed_after_all(hour, error)
        else:
            self._read_back(hour, entry)
        self._warn(hour, loads, after, twins)
        self._unsummarised.add(hour.month)
        if before is not None:
            self._vacuum(hour)
        outcome = Outcome.of(Ending.RELOADED if before else Ending.LOADED, entry, watch.total)
        return replace(outcome, before=before, after=after) if before else outcome

    def _clear(
        self, transaction: Transaction, hour: Hour, known: Entry | None, files: tuple[File, ...], *, emptied: bool
    ) -> Total | None:
        """Delete what an earlier load left; return its sums, or None if the hour was not loaded.

        Looking for rows costs as much as adding them up, so an hour unknown to the ledger is `emptied` only after rows were
        found in the way.
        """
        require_files(self._bucket, known, hour, files)
        before = purchases.sums(transaction, hour) if known is not None and known.is_loaded else None
        purchases.remove_rejects(transaction, hour)
        if known is not None or emptied:
            purchases.remove(transaction, hour)
            ledger.remove_files(transaction, hour)
        return before

    def _copy_file(self, transaction: Transaction, hour: Hour, file: File, rejects: HourRejects) -> FileLoad:
        """Stream one file into COPY; Python looks at no row, unless COPY refuses it or might misread it."""
        try:
            load = self._copy_straight(transaction, hour, file)
            if load is None:
                load = self._copy_carefully(transaction, hour, file, rejects)
        except BadData as error:
            if not isinstance(error, TooManyRejects):
                error.message = f"{self._bucket.url(hour, file.key)}: {error.message}"
            raise
        rejects.count_file(file.key, load.rows_loaded, load.rows_rejected)
        event = {"hour": hour.instant, "file": file.key, "rows": load.rows_loaded, "bytes": file.size}
        log.debug("%s %s: %d rows, %d rejected", hour, file.key, load.rows_loaded, load.rows_rejected, extra=event)
        return load

    def _copy_straight(self, transaction: Transaction, hour: Hour, file: File) -> FileLoad | None:
        """COPY the file as it is; None, with nothing of it loaded, if COPY refuses it or might misread it."""
        with opened(self._bucket.read(hour, file), self._columns, self._database.raise_if_interrupted) as body:
            self._tell(hour, file, body)
            if body.reading is None:
                return FileLoad(file, None, 0)
            stream = RowStream(only_plain(body.chunks, body.reading))
            purchases.make_room(transaction, body.reading)
            try:
                with transaction.savepoint():
                    rows_loaded = purchases.copy_rows(transaction, body.reading, stream)
                    if rows_loaded != stream.lines:
                        raise CopyRefused(f"COPY made {rows_loaded:,} rows from {stream.lines:,} lines")
            except CopyRefused as refusal:
                where = f" (line {refusal.line + body.header_lines})" if refusal.line is not None else ""
                log.debug("%s %s: reading again record by record: %s%s", hour, file.key, refusal.message, where)
                return None
            return FileLoad(file, body.reading, rows_loaded)

    def _copy_carefully(self, transaction: Transaction, hour: Hour, file: File, rejects: HourRejects) -> FileLoad:
        """Check every record of the file; COPY the good ones, set the rest aside."""
        content = self._bucket.read(hour, file)
        with opened(content, self._columns, self._database.raise_if_interrupted) as body:
            if body.reading is None:
                return FileLoad(file, None, 0)
            rejects.expect(file.key, content.most_bytes, body.reading.shortest_row)
            check = purchases.record_check(transaction, file.key, body.reading, body.header_lines, self._columns, rejects)
            purchases.make_room(transaction, body.reading)
            with check.rejects, transaction.savepoint():
                rows_loaded = purchases.copy_rows(transaction, body.reading, RowStream(check.good_rows(body.chunks)))
                if rows_loaded != check.rows:
                    raise BookreportError(f"{file.key}: COPY made {rows_loaded:,} rows from {check.rows:,} good records")
                purchases.set_aside(transaction, check.rejects)
            if check.blank_lines:
                log.info("%s %s: blank lines skipped: %d", hour, file.key, check.blank_lines)
            return FileLoad(file, body.reading, rows_loaded, check.rejected)

    def _tell(self, hour: Hour, file: File, body: Body) -> None:
        """Log how a file is read: anything odd about it each time, the reading of its header once per shape of header."""
        reading = body.reading
        if body.blank_lines:
            log.info("%s %s: blank lines before the header skipped: %d", hour, file.key, body.blank_lines)
        if reading is None or hash(reading.header) in self._told:
            return
        self._told.add(hash(reading.header))
        read = ", ".join(f"{column}={name!r}" for column, name in reading.names.items())
        log.debug("%s: header read as %s", file.key, read)
        if reading.dropped:
            log.info("%s: dropped the unnamed first column, which looks like an index", file.key)
        if reading.extra:
            log.debug("%s: kept in extra: %s", file.key, ", ".join(reading.extra))
        if not reading.priced:
            log.info("%s: no price column; using the catalogue's price", file.key)

    def _ensure_month(self, hour: Hour) -> None:
        if hour.month not in self._months:
            with self._database.transaction() as transaction:
                purchases.ensure_month(transaction, hour)
            self._months.add(hour.month)

    @staticmethod
    def _warn(hour: Hour, loads: Sequence[FileLoad], sums: purchases.Sums, twins: Sequence[str]) -> None:
        """Warn of what is not a failure but rarely intended; `twins` are sentences about duplicate files."""
        for twin in twins:
            log.warning("%s", twin)
        for load in loads:
            if sums.rows and (load.file.size == 0 or load.reading is None):
                log.warning(
                    "%s %s: the file is empty (%d bytes), unlike others of its hour", hour, load.file.key, load.file.size
                )
        if sums.rows_without_isbn * 2 > sums.rows:
            read = {repr(load.reading.names["isbn10"]): None for load in loads if load.reading is not None}
            log.warning(
                "%s: %d of %d rows have no valid ISBN; it was read from the column %s. If another has it, set"
                " BOOKREPORT_COLUMNS='isbn10=NAME', and load the hour again: bookreport run-hour --hour %s",
                hour,
                sums.rows_without_isbn,
                sums.rows,
                " or ".join(list(read)[:3]),
                hour,
            )

    def _require_no_change(self, hour: Hour, files: tuple[File, ...]) -> None:
        listed, now = {file.identity for file in files}, {file.identity for file in self._bucket.files(hour)}
        if listed != now:
            keys = ", ".join(sorted({key for key, _, _ in listed ^ now})[:5])
            raise ChangedWhileLoading(f"the files of {hour} changed during the load: {keys}", hint="the next run retries it")

    @staticmethod
    def _account(hour: Hour, loads: list[FileLoad], after: purchases.Sums, known: Entry | None) -> None:
        """Compare what COPY reported with what the tables hold; raise if they differ."""
        copied = sum(load.rows_loaded for load in loads)
        if copied < after.rows and known is None:
            raise _LeftBehind(f"{hour}: rows that no load made were in the tables; they are taken away")
        if copied != after.rows:
            raise BookreportError(f"{hour}: COPY made {copied:,} rows, but the table holds {after.rows:,}; nothing was kept")

    def _committed_after_all(self, hour: Hour, error: CommitUnknown) -> Entry:
        """Return the hour's entry if the commit without a reply did happen; raise `error` if it did not."""
        with self._database.transaction() as transaction:
            # The old backend may still be committing; it holds the hour's lock until it is done.
            transaction.lock(hour.instant)
            entry = ledger.entry(transaction, hour)
            if entry is None or not ledger.load_of_run(transaction, self._run_id, hour):
                raise error
        log.info("%s: the connection was lost during the commit, but the ledger says it is loaded", hour)
        return entry

    def _entry(self, hour: Hour) -> Entry | None:
        with self._database.transaction(snapshot=True) as transaction:
            return ledger.entry(transaction, hour)

    def _read_back(self, hour: Hour, recorded: Entry) -> None:
        """Raise if the ledger lacks what was committed; if it can't be read, the server's word counts."""
        try:
            entry = self._entry(hour)
        except BookreportError as error:
            log.warning("%s is loaded, but could not be read back: %s", hour, error.message)
            return
        # A newer load_id comes from another run's reload, after this commit.
        if entry is None or entry.load_id is None or recorded.load_id is None or entry.load_id < recorded.load_id:
            raise BookreportError(
                f"{hour} was committed, but is not in the ledger", hint="check the server's log, and run it again"
            )

    def _vacuum(self, hour: Hour) -> None:
        """Free the space of the rows that a reload deleted; they would be in the way until autovacuum runs."""
        for table in purchases.tables_of(hour):
            self._database.vacuum(table)

    def summarise(self) -> None:
        """Update the indexes of the months that were loaded: once per run, since that takes a lock."""
        while self._unsummarised:
            month = self._unsummarised.pop()
            try:
                with self._database.transaction() as transaction:
                    purchases.summarise(transaction, month)
            except BookreportError as error:
                # The hours are loaded regardless; and autovacuum does it too, in its own time.
                log.debug("the index of %s's month was not summarised: %s", month, error.message)

    def tell_markers(self) -> None:
        """Warn, once for all hours so far, of markers that are not empty."""
        warn_of_markers(self._odd_markers)
        self._odd_markers.clear()

    def _record_failure(self, hour: Hour, watch: Stopwatch, error: BookreportError, settled_as: Entry | None) -> int:
        attempt = Attempt(self._run_id, hour, watch.started_at, watch.seconds | {"total": watch.total})
        try:
            return ledger.record_failure(self._database, self._bucket.identity, attempt, error, settled_as)
        except BookreportError as second:
            # An unreachable or full database records nothing; the user must see the first failure, which stands nowhere else.
            error.__context__ = second
            error.hint = f"{error.hint or 'run it again'}; status and history don't know of it, since it could not be recorded"
            return 0


def warn_of_markers(odd: Mapping[Hour, File]) -> None:
    """Warn of the markers of these hours, which have content: they may be data files, or a producer's errors."""
    if odd:
        told = ", ".join(f"{hour} {marker.key} ({marker.size:,} B)" for hour, marker in sorted(odd.items())[:5])
        more = f" and {len(odd) - 5:,} more" if len(odd) > 5 else ""
        log.warning("a marker should be empty; is it a data file, or an error? Not read: %s%s", told, more)
