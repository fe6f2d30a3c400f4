"""kill -9 at random moments: every hour is as before or wholly loaded, and running again completes it."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator

import pytest

from faults.account import Tally, inspect
from faults.lab import ROUNDS, SEED, Lab, Trace
from faults.proxy import Cut, Link
from faults.shop import Hour


def killed_database(lab: Lab, chance: random.Random, template: str, *arguments: str, **others: str) -> tuple[str, str]:
    """Run the tool on a new database and kill it at a random moment; return the database, and what the tool was at.

    A run that ends before its moment comes is no kill: then another one is tried.
    """
    usual = lab.usual(template, *arguments, **others)
    while True:
        process: list[subprocess.Popen[str]] = []
        arrives, moment = chance.random() < 0.5, chance.random()
        way = chance.choice([*usual.pieces, None])

        def kill(_link: Link, _to_server: bool, piece: bytes) -> bytes:
            process[0].kill()  # noqa: B023 - called within this round
            process[0].wait()  # noqa: B023
            if arrives:  # noqa: B023
                return piece
            raise Cut

        database = lab.new_database(template)
        trace = lab.trace(Trace((*way, 1 + int(moment * usual.pieces[way])), kill) if way else Trace())
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
        assert ended.code == 0, ended.stderr
        lab.drop(database)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_hour_of_a_killed_run_is_as_before_or_wholly_loaded(lab: Lab, tally: Tally, number: int) -> None:
    database, phase = killed_database(lab, random.Random(f"{SEED} kill {number}"), "migrated", "ingest")
    damage = inspect(lab.url(database), lab.hours, complete=False)
    tally.add("kill -9", phase, damage + lab.finish(database))
    lab.drop(database)


@pytest.fixture(scope="module")
def changed(lab: Lab) -> Iterator[tuple[Hour, Hour]]:
    """An hour of the bucket `reloads` that is loaded in the database `loaded`, and then changed in the bucket."""
    before, after = lab.hours[0], Hour(lab.hours[0].start, 5000, files=2, seed="changed")
    lab.new_bucket("reloads", [before])
    lab.calm()
    lab.execute("create database loaded template migrated")
    assert lab.run("loaded", "ingest", S3_BUCKET="reloads").code == 0
    lab.replace("reloads", before, after)
    yield before, after
    lab.drop("loaded")


@pytest.mark.parametrize("number", range(ROUNDS // 5))
def test_an_hour_of_a_killed_reload_is_as_before_or_wholly_replaced(
    lab: Lab, changed: tuple[Hour, Hour], tally: Tally, number: int
) -> None:
    before, after = changed
    reload = ("run-hour", "--hour", str(after))
    chance = random.Random(f"{SEED} reload {number}")
    database, phase = killed_database(lab, chance, "loaded", *reload, S3_BUCKET="reloads")
    damage = inspect(lab.url(database), [after], before={str(before): before}, complete=False)
    again = lab.run(database, *reload, S3_BUCKET="reloads")
    assert again.code == 0, again.stderr
    tally.add("kill -9 of a reload", phase, damage + inspect(lab.url(database), [after], complete=True))
    lab.drop(database)
