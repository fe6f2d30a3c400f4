"""SIGTERM and Ctrl-C at random moments: rolled back, the right exit code, no backend left."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from concurrent.futures import Future
from contextlib import closing

import psycopg2
import pytest

from faults.account import Played, Rounds, Tally, inspect, wait_until_alone
from faults.lab import ROUNDS, SEED, Lab


def as_shells_see(code: int) -> int:
    """Return the exit code as a shell shows it: 128 plus the signal's number for a process that died of a signal."""
    return code if code >= 0 else 128 - code


@pytest.fixture(scope="module")
def interruptions(lab: Lab, rounds: Rounds) -> list[Future[Played]]:
    seconds = lab.usual("migrated", "ingest").seconds

    def play(lab: Lab, database: str, number: int) -> Played:
        chance = random.Random(f"{SEED} signal {number}")
        signal_number = (signal.SIGTERM, signal.SIGINT)[number % 2]
        process = lab.start(database, "ingest")
        try:
            process.wait(seconds * chance.uniform(0.1, 1))
        except subprocess.TimeoutExpired:
            process.send_signal(signal_number)
        ended = lab.end(process)
        # 0: every hour was loaded before the signal came.
        complete = ended.code == 0
        assert complete or as_shells_see(ended.code) == 128 + signal_number, ended.err
        damage = inspect(lab.url(database), lab.hours, complete=complete)
        return signal_number.name, "ended before" if complete else "interrupted", damage + lab.finish(database)

    return rounds(play, ROUNDS * 2 // 5)


@pytest.mark.parametrize("number", range(ROUNDS * 2 // 5))
def test_an_interrupted_run_leaves_whole_hours_and_no_backend(
    interruptions: list[Future[Played]], tally: Tally, number: int
) -> None:
    tally.add(interruptions[number].result())


def waiting(lab: Lab, database: str) -> int:
    """Return how many backends wait for a lock."""
    return int(lab.value("select count(*) from pg_stat_activity where datname = %s and wait_event_type = 'Lock'", database))


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_waits_for_a_lock_ends_at_a_signal_and_leaves_no_backend(
    lab: Lab, database: str, signal_number: signal.Signals, code: int
) -> None:
    with closing(psycopg2.connect(lab.url(database))) as holder, holder.cursor() as cursor:
        cursor.execute("lock table bookreport.purchase_rows, bookreport.loads in access exclusive mode")
        process = lab.start(database, "ingest", "--json")
        while process.poll() is None and not waiting(lab, database):
            time.sleep(0.05)
        process.send_signal(signal_number)
        ended = lab.end(process)
        left = waiting(lab, database)
    assert (ended.code, left) == (code, 0), ended.err
    assert ended.error["kind"] == "interrupted"
    wait_until_alone(lab.url(database))
    assert not inspect(lab.url(database), lab.hours, complete=False).told
