"""A run: which hours it loads, in what order, how many at once, how long it waits, and when it ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID, uuid4

from bookreport import catalogue, days, drift, ledger
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.discovery import Discovery, discover, require_believable, require_span_believable, time_of
from bookreport.errors import BookreportError, Interrupted, Locked, Temporary
from bookreport.health import Status, status
from bookreport.hours import EARLIEST, EXAMPLE, FIRST, LOOKBACK, Hour
from bookreport.loader import Loader
from bookreport.outcomes import Outcome
from bookreport.patience import Patience
from bookreport.preview import Preview, preview
from bookreport.rejects import RejectLimit

log = logging.getLogger(__name__)

STUCK_AFTER = timedelta(hours=2)
"""How long a run may load no hour while it holds one: cron starts a run each hour, and each hour is committed by itself."""

BUILD_SECONDS = 60.0
"""How long a run builds days that are not built yet; it finishes the one that it has begun."""

LAST_WORDS_SECONDS = 5.0
"""How long an interrupted run waits for its threads; the server rolls back what they leave unfinished."""


@dataclass(frozen=True)
class Choice:
    """The hours to load, oldest first; of these, `again` are replaced if loaded, and `named` are loaded in any state.

    `left` have drifted too, and are left as they are: there were more than may be reloaded.
    """

    hours: tuple[Hour, ...]
    again: frozenset[Hour] = frozenset()
    named: frozenset[Hour] = frozenset()
    left: tuple[Hour, ...] = ()


@dataclass
class Ended:
    """How a run ended: the outcomes of its hours, and what ended it early."""

    outcomes: list[Outcome] = field(default_factory=list)
    failure: BookreportError | Interrupted | None = None

    @property
    def loaded(self) -> list[Hour]:
        """The hours that are loaded now, by this run or an earlier one."""
        return [outcome.hour for outcome in self.outcomes if outcome.is_loaded]


class Run:
    """One run over hours of one bucket, into one database; identified by its `run_id`.

    `reject_limit`: how many records of an hour may be set aside. `new_source`: the bucket has moved. `earliest`: the first
    believable hour. `jobs`: how many hours are loaded in parallel. `watch`: as `discover` takes it. Raises Configuration if
    the ledger belongs to another bucket.
    """

    def __init__(
        self,
        database: Database,
        bucket: Bucket,
        columns: Columns,
        *,
        reject_limit: RejectLimit,
        new_source: bool = False,
        earliest: Hour = EARLIEST,
        jobs: int = 1,
        watch: Callable[[Sequence[Hour]], Iterable[Hour]] = iter,
    ) -> None:
        self.run_id: UUID = uuid4()
        self.looked: Discovery | None = None
        self.loader = Loader(database, bucket, columns, run_id=self.run_id, reject_limit=reject_limit)
        self.database = database
        self._bucket = bucket
        self._columns = columns
        self._reject_limit = reject_limit
        self._new_source = new_source
        self._earliest = earliest
        self._jobs = jobs
        self._watch = watch
        if not new_source:
            with database.transaction(snapshot=True) as transaction:
                ledger.require_source(transaction, bucket.identity)

    def take_source(self) -> None:
        """Record that the bucket has moved here; raises what listing it raises, and writes nothing then."""
        self._bucket.clock()
        with self.database.transaction() as transaction:
            ledger.take_source(transaction, self._bucket.identity)

    def pending(
        self,
        *,
        since: Hour | None = None,
        until: Hour | None = None,
        everything: bool = False,
        lookback: timedelta = LOOKBACK,
    ) -> list[Hour]:
        """Return the hours that are complete but not loaded, oldest first, as `discover` finds them; `looked` has the rest.

        Raises NotReady if no hour of the span is believable.
        """
        looked = self.looked = discover(
            self.database,
            self._bucket,
            since=since,
            until=until,
            everything=everything,
            lookback=lookback,
            earliest=self._earliest,
            watch=self._watch,
        )
        require_span_believable(since, until, looked.within)
        if looked.far_off:
            names = _first([each.prefix for each in looked.far_off])
            log.warning("ignoring partitions with implausible dates: %s; for what to do: bookreport check", names)
        if looked.stray:
            log.warning(
                "%s in no hour's partition, and not loaded: %s; move them, or list a pattern in BOOKREPORT_IGNORE",
                "1 name is" if len(looked.stray) == 1 else f"{len(looked.stray):,} names are",
                _first(looked.stray),
            )
        if looked.empty:
            log.warning("no hour is in %s: each has a folder such as %s", self._bucket.address, Hour.parse(EXAMPLE).partition)
        if looked.open and not looked.pending:
            names = _first([str(hour) for hour in looked.open])
            log.info("not complete yet, for want of %s: %s", self._bucket.marker_name, names)
        if looked.looked_from is not None and since is None:
            log.info("searching from %s on; to search the whole bucket: bookreport ingest --all", looked.looked_from)
        return list(looked.pending)

    def end_look(self, outcomes: Iterable[Outcome]) -> None:
        """Record that the whole bucket was searched, if it was, and if all that `pending` found has an outcome."""
        looked = self.looked
        # A failure that no attempt was recorded of is in no later run's list.
        settled = {each.hour for each in outcomes if each.is_settled and not each.stops_run}
        if looked is not None and looked.whole and settled.issuperset(looked.pending):
            try:
                with self.database.transaction() as transaction:
                    ledger.record_looked_through(transaction, self._bucket.identity, min(looked.open, default=None))
            except BookreportError as error:
                # The hours are loaded regardless; the next run searches the whole bucket again.
                log.debug("could not record that the whole bucket was searched: %s", error.message)

    def drifted(self, since: Hour | None, until: Hour | None, *, lookback: timedelta = LOOKBACK) -> list[Hour]:
        """Return the loaded hours of the span (from the look-back on without one) whose files have changed, oldest first."""
        within = self.looked.within if self.looked else time_of(self.database, self._bucket, self._earliest)
        if since is None and until is None:
            with self.database.transaction(snapshot=True) as transaction:
                since = ledger.lookback_start(transaction, lookback, self._earliest)
        span = max(since or within.since, within.since), min(until or within.until, within.until)
        return drift.drifted(self.database, self._bucket, *span)

    def load_hours(
        self, hours: Iterable[Hour], *, again: Container[Hour] = (), named: Container[Hour] = (), jobs: int = 1
    ) -> Iterator[Outcome]:
        """Load `hours`, `jobs` in parallel, and yield their outcomes in order.

        `again`: replace those that are loaded; `named`: load those even if they were skipped or pruned. No further hour is
        begun after an outcome that stops the run.
        """
        stop = threading.Event()

        def load(hour: Hour) -> Outcome | None:
            if stop.is_set():
                return None
            outcome = self.loader.load(hour, again=hour in again, named=hour in named)
            if outcome.stops_run:
                stop.set()
            return outcome

        for outcome in map(load, hours) if jobs == 1 else _in_threads(load, hours, jobs):
            if outcome is not None:
                yield outcome
        self.loader.summarise()
        self.loader.tell_markers()

    def await_hour(self, hour: Hour, patience: Patience, *, again: bool = False) -> Iterator[Outcome]:
        """Wait for the hour's marker, then load it and yield its outcome: not-ready if it did not come in time.

        Yields nothing for an hour that was settled before, unless `again`.
        """
        with self.database.transaction(snapshot=True) as transaction:
            known = ledger.entry(transaction, hour)
        if known is not None and known.is_settled and not again:
            return
        while self._bucket.marker(hour) is None and patience.is_left:
            patience.pause()
        # The books may have changed during the wait; sales without a price use theirs.
        catalogue.refresh(self.database)
        asked_for = [hour] if again else []
        yield from self.load_hours([hour], again=asked_for, named=asked_for)

    def choose(
        self,
        named: Iterable[Hour] = (),
        *,
        since: Hour | None = None,
        until: Hour | None = None,
        everything: bool = False,
        changed: bool = False,
        most_changed: int = 0,
        lookback: timedelta = LOOKBACK,
    ) -> Choice:
        """Return the hours that were `named`, or else what `pending` finds. `changed`: also those that have drifted.

        Of drifted hours, the oldest `most_changed` are chosen, and the others `left`; a named one always. Raises NotReady for
        hours not believable.
        """
        named = frozenset(named)
        if named:
            require_believable(sorted(named), time_of(self.database, self._bucket, self._earliest))
            drifted = (hour for hour in named if changed and self.drifted(hour, hour + 1, lookback=lookback))
            return Choice(tuple(sorted(named)), frozenset(drifted), named)
        pending = self.pending(since=since, until=until, everything=everything, lookback=lookback)
        again: list[Hour] = []
        if changed:
            again = self.drifted(FIRST if everything else since, until, lookback=lookback)
        again, left = again[:most_changed], again[most_changed:]
        return Choice(tuple(sorted({*pending, *again})), frozenset(again), left=tuple(left))

    def by_the_hour(
        self, hour: Hour | None, patience: Patience | None, *, lookback: timedelta = LOOKBACK
    ) -> tuple[Iterator[Outcome], int]:
        """Start what cron asks for: `hour`, or what is pending; also return how many hours that is.

        With `patience`, an outage is outlasted, and the hour waited for; without an hour, the most recently ended one. Raises
        NotReady if the hour is not believable.
        """
        named = [] if hour is None else [hour]
        chosen = (patience or Patience()).outlast(lambda: self.choose(named, lookback=lookback))
        if hour is not None:
            chosen = Choice(() if patience else (hour,), frozenset(named), frozenset(named))
        if patience is None:
            return self.load(chosen), len(chosen.hours)
        last = hour or Hour.last()

        def begin(told: Container[Hour]) -> Iterator[Outcome]:
            left = replace(chosen, hours=tuple(hour for hour in chosen.hours if hour not in told))
            loading = self.load(left)
            if last in chosen.hours or last in told:
                return loading
            return in_turn(loading, self.await_hour(last, patience, again=hour is not None))

        return self._outlasting(begin, patience), len(chosen.hours)

    def _outlasting(self, begin: Callable[[Container[Hour]], Iterator[Outcome]], patience: Patience) -> Iterator[Outcome]:
        """Yield the outcomes that come of `begin`, which is called again after an outage with the hours that have one."""
        told: set[Hour] = set()
        outage: Temporary | None = None
        while True:
            try:
                if outage is not None:
                    # Loading from a store that is away would record a failed attempt each time.
                    self._bucket.clock()
                    outage = None
                for outcome in begin(told):
                    if isinstance(outcome.error, Temporary) and outcome.stops_run and patience.is_left:
                        outage = outcome.error
                    else:
                        told.add(outcome.hour)
                        yield outcome
            except Temporary as error:
                if not patience.is_left:
                    raise
                outage = error
            if outage is None:
                return
            patience.pause(outage)

    def load(self, choice: Choice) -> Iterator[Outcome]:
        """Load what was chosen and yield each hour's outcome; before that, record a moved bucket and refresh the catalogue."""
        if self._new_source:
            self.take_source()
        catalogue.refresh(self.database)
        yield from self.load_hours(choice.hours, again=choice.again, named=choice.named, jobs=self._jobs)

    def build_days(self, after: Ended) -> None:
        """Build the closed days that are not built, oldest first, for about BUILD_SECONDS; the next run carries on.

        None after a run that `Ended` early. A failure is only a warning: the hours are loaded regardless, and reports count
        what is not built from its rows.
        """
        if after.failure is not None:
            return
        begun = time.monotonic()
        try:
            for _ in days.build(self.database, days.missing(self.database, earliest=self._earliest)):
                if time.monotonic() - begun > BUILD_SECONDS:
                    break
        except Locked as error:
            log.debug("no days were built: %s", error.message)
        except BookreportError as error:
            log.warning("days could not be built, so reports of them take longer; the next run tries again: %s", error.message)

    def is_stuck(self) -> bool:
        """Return whether no hour was loaded for so long that whoever holds one can't be at work on it."""
        with self.database.transaction(snapshot=True) as transaction:
            return not ledger.is_loaded_lately(transaction, STUCK_AFTER)

    def preview(self, choice: Choice, *, head: bool = False) -> Preview:
        """Return what loading the chosen hours would do; write nothing. `head`: read only the head of each file."""
        return preview(
            self.database,
            self._bucket,
            self._columns,
            choice.hours,
            reject_limit=self._reject_limit,
            again=choice.again,
            head=head,
        )

    def status(self, lookback: timedelta = LOOKBACK) -> Status:
        """Return the state of the hours after the run, except what is costly to find."""
        return status(self.database, self._bucket, lookback=lookback, earliest=self._earliest, at_length=False)

    def follow(self, outcomes: Iterable[Outcome], tell: Callable[[Outcome], None]) -> Ended:
        """Report each of `outcomes` as it comes, and return them all, with what ended the run early."""
        ended = Ended()
        try:
            for outcome in outcomes:
                ended.outcomes.append(outcome)
                tell(outcome)
        except (BookreportError, Interrupted) as error:
            ended.failure = error
        else:
            self.end_look(ended.outcomes)
        return ended


def in_turn(first: Iterable[Outcome], second: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield both in turn; the second are not begun if one of the first stops the run."""
    for outcome in first:
        yield outcome
        if outcome.stops_run:
            return
    yield from second


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "")


def _in_threads(load: Callable[[Hour], Outcome | None], hours: Iterable[Hour], jobs: int) -> Iterator[Outcome | None]:
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="load")
    outcomes = [pool.submit(load, hour) for hour in hours]
    try:
        for outcome in outcomes:
            yield outcome.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        wait([outcome for outcome in outcomes if outcome.running()], LAST_WORDS_SECONDS)
