"""Two runs at once on the same hours load each of them once."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future
from contextlib import closing

import psycopg2
import pytest

from faults.account import Played, Rounds, Tally, inspect
from faults.lab import ROUNDS, SEED, Lab


def loads(lab: Lab, database: str) -> dict[str, int]:
    """Return how often each hour was loaded, by the history."""
    with closing(psycopg2.connect(lab.url(database))) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select to_char(hour at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24'), count(*) from bookreport.loads"
            " where outcome in ('loaded', 'reloaded') group by 1"
        )
        return dict(cursor.fetchall())


@pytest.fixture(scope="module")
def pairs(lab: Lab, rounds: Rounds) -> list[Future[Played]]:
    seconds = lab.usual("migrated", "ingest").seconds

    def play(lab: Lab, database: str, number: int) -> Played:
        chance = random.Random(f"{SEED} two {number}")
        first = lab.start(database, "ingest", "--json")
        time.sleep(chance.choice((0, chance.random() * seconds)))
        second = lab.start(database, "ingest", "--json")
        kills = number % 4 == 3
        if kills:
            time.sleep(chance.random() * seconds)
            first.kill()
        ended = [lab.end(first), lab.end(second)]
        # 7: an hour was in the hands of the other run; -9: that run was the one to be killed.
        assert {run.code for run in ended} <= ({0, 7, -9} if kills else {0, 7}), [run.err for run in ended]
        damage = inspect(lab.url(database), lab.hours, complete=not kills)
        damage += lab.finish(database)
        assert loads(lab, database) == {str(hour): 1 for hour in lab.hours}
        return "two runs at once", "one killed" if kills else "both ended", damage

    return rounds(play, ROUNDS * 2 // 5)


@pytest.mark.parametrize("number", range(ROUNDS * 2 // 5))
def test_two_runs_at_once_load_every_hour_once(pairs: list[Future[Played]], tally: Tally, number: int) -> None:
    tally.add(pairs[number].result())
