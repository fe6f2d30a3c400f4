"""Connections cut, held up and ended at random bytes, on the way to and from S3 and Postgres."""

from __future__ import annotations

import random
import time

import pytest

from faults.account import Tally, inspect
from faults.lab import ROUNDS, SEED, Lab, Trace
from faults.proxy import Cut, Link


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_hour_of_a_run_whose_connection_breaks_is_as_before_or_wholly_loaded(
    lab: Lab, database: str, tally: Tally, number: int
) -> None:
    chance = random.Random(f"{SEED} cut {number}")
    usual = lab.usual("migrated", "ingest")
    way = chance.choice(list(usual.pieces))
    kind, share, held_up = chance.choice(("FIN", "RST")), chance.random(), chance.choice((0, 0, 0.5))

    def cut(_link: Link, _to_server: bool, piece: bytes) -> bytes:
        time.sleep(held_up)
        raise Cut(passed=piece[: int(share * len(piece))], reset=kind == "RST")

    trace = lab.trace(Trace((*way, 1 + int(chance.random() * usual.pieces[way])), cut))
    ended = lab.run(database, "ingest", "--json")
    assert trace.struck
    assert ended.code == 0 or (ended.code, ended.error["kind"]) == (5, "temporary"), ended.stderr
    damage = inspect(lab.url(database), lab.hours, complete=ended.code == 0)
    tally.add(f"{kind} from {way[0]}" if not way[1] else f"{kind} to {way[0]}", trace.phase, damage + lab.finish(database))


@pytest.mark.parametrize("number", range(max(1, ROUNDS // 10)))
def test_a_run_whose_connections_falter_ends_well(lab: Lab, database: str, tally: Tally, number: int) -> None:
    chance = random.Random(f"{SEED} falter {number}")

    def falter(_link: Link, _to_server: bool, piece: bytes) -> bytes:
        if chance.random() < 0.05:
            time.sleep(chance.random() * 0.2)
        return piece

    lab.postgres.fault = lab.s3.fault = falter
    ended = lab.run(database, "ingest")
    assert ended.code == 0, ended.stderr
    tally.add("delays", "throughout", lab.finish(database))
