"""What a command that loads says on stderr: of each hour as it ends, and of the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import click

from bookreport.commands.options import CommonOptions
from bookreport.errors import GRAVITY, BookreportError, gravest
from bookreport.outcomes import Ending, Outcome
from bookreport.present.run import error_document, error_json, others_line, outcome_line, sum_line
from bookreport.run import Ended

log = logging.getLogger(__name__)

STUCK = "No hour was loaded in the last two hours; if that session is stuck, end it: select pg_terminate_backend(PID)"
"""What to do about a run that holds an hour and loads none (`run.STUCK_AFTER`)."""


class Telling:
    """Says each failure once: in sentences as it happens or, for a program, as `bookreport.error/1` at the end.

    `total`: how many hours the run is to load. `has_bar`: a bar shows that they are loaded; a line for each takes -v.
    """

    def __init__(self, options: CommonOptions, total: int, *, has_bar: bool = False) -> None:
        self._options = options
        self._total = total
        self._has_bar = has_bar

    def each(self, outcome: Outcome) -> None:
        """Say how an hour ended."""
        if outcome.error is None:
            is_plain = self._has_bar and outcome.outcome == Ending.LOADED
            log.log(logging.DEBUG if is_plain else logging.INFO, "%s", outcome_line(outcome), extra=_event(outcome))
        elif not self._options.errors_as_json and not self._is_overlap(outcome):
            _fail(outcome_line(outcome), outcome.error, _event(outcome))

    def end(self, ended: Ended, failure: BookreportError | None, is_stuck: Callable[[], bool]) -> int:
        """Say how the run ended, and what its hours don't say: its own `failure`. Return its exit code, or raise what ended it.

        Under -q, hours that another run holds are no failure, if there is no other, unless that run `is_stuck`.
        """
        failed = [outcome for outcome in ended.outcomes if outcome.error is not None]
        overlaps = [outcome for outcome in failed if self._is_overlap(outcome)]
        is_overlap = bool(overlaps) and failed == overlaps and not (failure or ended.failure)
        if is_overlap and not is_stuck():
            return 0
        if not self._options.errors_as_json:
            self._sum_up(ended, overlaps)
            if is_overlap:
                click.echo(STUCK, err=True)
        code = self.errors(failed, failure)
        if ended.failure is not None:
            raise ended.failure
        return code

    def errors(self, outcomes: Sequence[Outcome], failure: BookreportError | None = None) -> int:
        """Say what errors are left to say, the most serious last, and return the exit code of all."""
        told = [(outcome.error, _event(outcome)) for outcome in outcomes if outcome.error is not None]
        told += [(failure, {})] if failure else []
        for error, event in sorted(told, key=lambda each: -GRAVITY.index(each[0].exit_code)):
            if self._options.log_format == "json":
                log.error("%s", error.message, extra=event | {"error": error_document(error)})
            elif self._options.errors_as_json:
                click.echo(error_json(error), err=True)
            elif error is failure:
                _fail(error.message, error, event)
        return gravest([error for error, _ in told])

    def _is_overlap(self, outcome: Outcome) -> bool:
        return self._options.quiet and outcome.outcome == Ending.LOCKED

    def _sum_up(self, ended: Ended, overlaps: Sequence[Outcome]) -> None:
        for outcome in overlaps:
            if outcome.error is not None:
                _fail(outcome_line(outcome), outcome.error, _event(outcome))
        has_stopped = ended.failure is not None or any(outcome.stops_run for outcome in ended.outcomes)
        if ended.outcomes and (has_stopped or any(outcome.error for outcome in ended.outcomes)):
            untried = max(0, self._total - len(ended.outcomes)) if has_stopped else 0
            if line := others_line(ended.outcomes, untried):
                click.echo(line, err=True)
        elif ended.outcomes and self._has_bar:
            log.info("%s", sum_line(ended.outcomes))


def _fail(line: str, error: BookreportError, event: dict[str, object]) -> None:
    hint = [f"Hint: {error.hint}"] if error.hint else []
    log.error("%s", line, extra=event | {"more": [*(f"  {detail}" for detail in error.details), *hint]})


def _event(outcome: Outcome) -> dict[str, object]:
    return {
        "hour": outcome.hour.instant,
        "outcome": outcome.outcome,
        "rows": outcome.rows_loaded,
        "bytes": outcome.bytes,
        "seconds": outcome.seconds,
    }
