"""kill -9 at random moments: every hour is as before or wholly loaded, and running again completes it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from faults.account import Played, Rounds, Tally, inspect
from faults.lab import ROUNDS, SEED, Lab, Trace, killing
from faults.shop import Hour


def killed(lab: Lab, database: str, chance: random.Random, template: str, *arguments: str, **others: str) -> tuple[str, str]:
    """Run the tool and kill it at a random moment; return the database, and the phase of the load.

    If the run ends before the moment of the kill, try again on another database.
    """
    usual = lab.usual(template, *arguments, **others)
    process: list[subprocess.Popen[str]] = []
    arrives, moment = chance.random() < 0.5, chance.random()
    # Most of the traffic to Postgres is COPY; without a direction, the clock decides.
    way = chance.choice([("postgres", True), ("postgres", True), ("postgres", False), ("s3", False), None])

    trace = lab.trace(Trace((*way, 1 + int(moment * usual.pieces[way])), killing(process, arrives=arrives)) if way else Trace())
    process.append(lab.start(database, *arguments, **others))
    if way is None:
        try:
            process[0].wait(moment * usual.seconds)
        except subprocess.TimeoutExpired:
            process[0].kill()
    ended = lab.end(process[0])
    lab.calm()
    if ended.code == -9:
        return database, trace.phase
    assert ended.code == 0, ended.err
    return killed(lab, lab.new_database(template), chance, template, *arguments, **others)


@pytest.fixture(scope="module")
def kills(lab: Lab, rounds: Rounds) -> list[Future[Played]]:
    lab.usual("migrated", "ingest")

    def play(lab: Lab, database: str, number: int) -> Played:
        database, phase = killed(lab, database, random.Random(f"{SEED} kill {number}"), "migrated", "ingest")
        damage = inspect(lab.url(database), lab.hours, complete=False)
        return "kill -9", phase, damage + lab.finish(database)

    return rounds(play, ROUNDS)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_hour_of_a_killed_run_is_as_before_or_wholly_loaded(kills: list[Future[Played]], tally: Tally, number: int) -> None:
    tally.add(kills[number].result())


@pytest.fixture(scope="module")
def reloads(lab: Lab, rounds: Rounds) -> Iterator[list[Future[Played]]]:
    """Kills during the reload of an hour that was loaded into the database `loaded` and then changed in the bucket."""
    before, after = lab.hours[0], Hour(lab.hours[0].start, 5000, files=2, seed="changed")
    elsewhere = {"S3_BUCKET": "reloads"}
    lab.calm()
    lab.new_bucket("reloads", [before])
    lab.execute("create database loaded template migrated")
    # The store's address differs from twin to twin.
    reload = ("run-hour", "--new-source", "--hour", str(after))
    assert lab.run("loaded", "ingest", **elsewhere).code == 0
    lab.change("reloads", before, after)
    lab.usual("loaded", *reload, **elsewhere)

    def play(lab: Lab, database: str, number: int) -> Played:
        database, phase = killed(lab, database, random.Random(f"{SEED} reload {number}"), "loaded", *reload, **elsewhere)
        damage = inspect(lab.url(database), [after], before={str(before): before}, complete=False)
        again = lab.run(database, *reload, **elsewhere)
        assert again.code == 0, again.err
        return "kill -9 of a reload", phase, damage + inspect(lab.url(database), [after], complete=True)

    yield rounds(play, max(1, ROUNDS // 5), "loaded")
    lab.drop("loaded")


@pytest.mark.parametrize("number", range(max(1, ROUNDS // 5)))
def test_an_hour_of_a_killed_reload_is_as_before_or_wholly_replaced(
    reloads: list[Future[Played]], tally: Tally, number: int
) -> None:
    tally.add(reloads[number].result())
