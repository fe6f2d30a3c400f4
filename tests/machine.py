"""The state machine: chance takes the steps of the world, one after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from bookreport.hours import Hour
from bookstore import BOOKS
from model import Command
from world import KINDS, LANGUAGES, MAY, NEAR, NO_CODES, OLD, SOURCES, STRANGE, World, points_of

WITHOUT_HOUR = ("ingest", "ingest --all", "ingest --changed", "ingest --new-source", "run-hour", "run-hour -o", "refresh")
WITH_HOUR = ("ingest --hour", "run-hour --hour", "skip", "prune", "prune --keep-sums", "prune --rejects-before")
NAMES = WITHOUT_HOUR + WITH_HOUR

MOST_WORLDS = 8
"""After ten worlds hypothesis begins to vary those that it had, and fewer steps are new."""


@dataclass(frozen=True)
class Step:
    """A method of the world and its arguments."""

    name: str
    arguments: tuple[Any, ...]

    def take(self, world: World) -> None:
        getattr(world, self.name)(*self.arguments)

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        told = (str(each) if isinstance(each, Hour | Command) else repr(each) for each in self.arguments)
        printer.text(f"{self.name}: {', '.join(told)}")


def command(name: str, source: str, hour: Hour) -> Command:
    """Return a command that does something to an hour, if the hour is ready for it."""
    if name.startswith("prune"):
        return Command(name, source, hour + 1)
    return Command(name, source, hour if name in WITH_HOUR else None)


HOUR = st.sampled_from([*NEAR, *NEAR, OLD])
ANY_HOUR = st.sampled_from([*NEAR, *NEAR, *NEAR, OLD, *STRANGE])
# Most of what happens is of the one source.
SOURCE = st.sampled_from([SOURCES[0]] * 5 + [SOURCES[1]])
KIND = st.sampled_from(KINDS)
COMMAND = st.builds(command, st.sampled_from(NAMES), SOURCE, HOUR)
LOADING = st.builds(command, st.sampled_from(("ingest", "run-hour -o", "run-hour --hour")), st.just(SOURCES[0]), HOUR)
CRON = st.just(Command("run-hour -o", SOURCES[0]))
FAR_OFF = st.builds(Command, st.sampled_from(("ingest --hour", "run-hour --hour")), SOURCE, st.sampled_from(STRANGE[:2]))
AT = st.sampled_from(range(len(BOOKS)))
CHANGES = ("added", "changed", "removed", "of the same size")


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Command, Command, str, Hour]:
    """Two commands, a point and an hour; mostly all of the same hour."""
    hour = draw(HOUR)
    first, second = (
        command(draw(st.sampled_from(NAMES)), draw(SOURCE), draw(st.sampled_from([hour, hour, hour, MAY]))) for _ in range(2)
    )
    return first, second, draw(st.sampled_from(points_of(first))), hour


ARGUMENTS: dict[str, tuple[int, st.SearchStrategy[tuple[Any, ...]]]] = {
    "come": (3, st.tuples(SOURCE, ANY_HOUR, st.lists(KIND, max_size=2), st.sampled_from([True, True, True, False]))),
    "come_in_turn": (3, st.tuples(SOURCE, st.sampled_from(NEAR[:-2]), st.lists(KIND, min_size=2, max_size=3))),
    "close": (1, st.tuples(SOURCE, HOUR)),
    "change": (3, st.tuples(SOURCE, HOUR, st.sampled_from(CHANGES), KIND)),
    "lose": (1, st.tuples(SOURCE, ANY_HOUR, st.sampled_from(["files", "marker", "all"]))),
    "spoil": (1, st.tuples(SOURCE, HOUR)),
    "mend": (2, st.tuples(SOURCE, HOUR)),
    "change_language": (1, st.tuples(AT, st.sampled_from(LANGUAGES))),
    "catch_up": (1, st.tuples(AT, st.sampled_from(LANGUAGES))),
    "add_book": (1, st.tuples(st.sampled_from(BOOKS), st.sampled_from(NO_CODES))),
    "remove_book": (1, st.tuples(AT)),
    "run": (10, st.tuples(COMMAND | FAR_OFF | CRON)),
    "report_last": (1, st.tuples(st.sampled_from([1, 3, 24]))),
    "look_at_all": (1, st.just(())),
    "put_stray": (1, st.tuples(HOUR)),
    "cut_behind_commit": (1, st.tuples(LOADING, HOUR)),
    "at_once": (8, pairs()),
}
"""The arguments of each step, and how often it is taken."""


@st.composite
def steps(draw: st.DrawFn) -> Step:
    name = draw(st.sampled_from([name for name, (often, _) in ARGUMENTS.items() for _ in range(often)]))
    return Step(name, draw(ARGUMENTS[name][1]))


def machine(new_world: Callable[[], World]) -> type[RuleBasedStateMachine]:
    """Return a state machine over worlds of these servers."""

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.world = new_world()

        @initialize(kinds=st.lists(KIND, min_size=2, max_size=4), name=st.sampled_from(["ingest", "run-hour -o", "refresh"]))
        def begin(self, kinds: list[str], name: str) -> None:
            self.world.come_in_turn(SOURCES[0], NEAR[0], kinds)
            self.world.run(Command(name, SOURCES[0]))

        @rule(step=steps())
        def then(self, step: Step) -> None:
            step.take(self.world)

    return Machine


def play(new_world: Callable[[], World], *, seed_: str, worlds: int, steps_each: int) -> None:
    """Let chance, the same for the same seed, take so many steps in each of so many worlds; raise for the first difference.

    The steps that led there are told, after they were made as few as possible.
    """
    for number, begins in enumerate(range(0, worlds, MOST_WORLDS)):
        options = settings(
            max_examples=min(worlds - begins, MOST_WORLDS),
            stateful_step_count=steps_each,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            report_multiple_bugs=False,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        )
        run_state_machine_as_test(seed(f"{seed_} {number}")(machine(new_world)), settings=options)
