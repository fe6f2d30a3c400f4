"""Fixtures of the fault tests, and the figures at their end."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from faults.account import Played, Rounds, Tally
from faults.lab import SEED, Lab, laboratory

WORKERS = 2

TALLY = pytest.StashKey[Tally]()
FIGURES = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()
    config.stash[FIGURES] = {}


def pytest_report_header() -> str:
    return f"faults: to have the same ones again, set FAULTS_SEED={SEED}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name, lines in config.stash[FIGURES].items():
        terminalreporter.section(name)
        for line in lines:
            terminalreporter.write_line(line)
    tally = config.stash[TALLY]
    if not tally.faults:
        return
    terminalreporter.section("faults")
    for kind, number in tally.faults.items():
        spread = ", ".join(f"{phase} {count}" for phase, count in tally.phases[kind].most_common())
        terminalreporter.write_line(f"{kind}: {number} ({spread})")
    damage = tally.damage
    terminalreporter.write_line(
        f"rows lost {damage.rows_lost}, rows doubled {damage.rows_doubled}, hours half loaded {damage.hours_half_loaded}"
        f"; FAULTS_SEED={SEED}"
    )


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash[TALLY]


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    """Tables to print at the end of the run, by name."""
    return request.config.stash[FIGURES]


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    with laboratory() as made:
        yield made


@pytest.fixture(scope="session")
def rounds(lab: Lab) -> Iterator[Rounds]:
    """Starts rounds that run in parallel, one per core of a small machine."""
    twins: queue.SimpleQueue[Lab] = queue.SimpleQueue()
    with ExitStack() as stack:
        for _ in range(WORKERS):
            twins.put(stack.enter_context(lab.twin()))
        pool = ThreadPoolExecutor(WORKERS)
        stack.callback(pool.shutdown, cancel_futures=True)

        def play(play_one: Callable[[Lab, str, int], Played], number: int, template: str) -> Played:
            twin = twins.get()
            try:
                database = twin.new_database(template)
                played = play_one(twin, database, number)
                twin.drop(database)
            finally:
                twin.calm()
                twins.put(twin)
            return played

        yield lambda play_one, number, template="migrated": [
            pool.submit(play, play_one, each, template) for each in range(number)
        ]


@pytest.fixture
def database(lab: Lab) -> Iterator[str]:
    """A migrated database for this test alone, and proxies that let everything pass."""
    lab.calm()
    name = lab.new_database()
    yield name
    lab.calm()
    lab.drop(name)
