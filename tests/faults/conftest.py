"""Fixtures of the fault tests, and the figures at their end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.account import Tally
from faults.lab import SEED, Lab, laboratory

TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TALLY] = Tally()


def pytest_report_header() -> str:
    return f"faults: to have the same ones again, set FAULTS_SEED={SEED}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
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
def lab() -> Iterator[Lab]:
    with laboratory() as made:
        yield made


@pytest.fixture
def database(lab: Lab) -> Iterator[str]:
    """A migrated database of the test's own, and proxies that let everything pass."""
    lab.calm()
    name = lab.new_database()
    yield name
    lab.calm()
    lab.drop(name)
