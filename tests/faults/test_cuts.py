"""Connections cut, held up and ended at random bytes, on the way to and from S3 and Postgres."""

from __future__ import annotations

import random
import time
from concurrent.futures import Future

import pytest

from faults.account import Played, Rounds, Tally, inspect
from faults.lab import ROUNDS, SEED, Lab, Trace
from faults.proxy import Cut, Link


@pytest.fixture(scope="module")
def cuts(lab: Lab, rounds: Rounds) -> list[Future[Played]]:
    usual = lab.usual("migrated", "ingest")

    def play(lab: Lab, database: str, number: int) -> Played:
        chance = random.Random(f"{SEED} cut {number}")
        server, to_server = way = chance.choice(sorted(usual.pieces))
        kind, share, held_up = chance.choice(("FIN", "RST")), chance.random(), chance.choice((0, 0, 0.5))

        def cut(_link: Link, _to_server: bool, piece: bytes) -> bytes:
            time.sleep(held_up)
            raise Cut(passed=piece[: int(share * len(piece))], reset=kind == "RST")

        # Another run may have fewer pieces, and a fault that never strikes is no test.
        trace = lab.trace(Trace((*way, 1 + int(0.95 * chance.random() * usual.pieces[way])), cut))
        ended = lab.run(database, "ingest", "--json")
        assert trace.struck
        assert ended.code == 0 or (ended.code, ended.error["kind"]) == (5, "temporary"), ended.err
        damage = inspect(lab.url(database), lab.hours, complete=ended.code == 0)
        return f"{kind} {'to' if to_server else 'from'} {server}", trace.phase, damage + lab.finish(database)

    return rounds(play, ROUNDS)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_an_hour_of_a_run_whose_connection_breaks_is_as_before_or_wholly_loaded(
    cuts: list[Future[Played]], tally: Tally, number: int
) -> None:
    tally.add(cuts[number].result())


@pytest.fixture(scope="module")
def delays(rounds: Rounds) -> list[Future[Played]]:
    def play(lab: Lab, database: str, number: int) -> Played:
        chance = random.Random(f"{SEED} falter {number}")

        def falter(_link: Link, _to_server: bool, piece: bytes) -> bytes:
            if chance.random() < 0.05:
                time.sleep(chance.random() * 0.2)
            return piece

        lab.postgres.fault = lab.s3.fault = falter
        ended = lab.run(database, "ingest")
        assert ended.code == 0, ended.err
        return "delays", "throughout", lab.finish(database)

    return rounds(play, max(1, ROUNDS // 10))


@pytest.mark.parametrize("number", range(max(1, ROUNDS // 10)))
def test_a_run_whose_connections_falter_ends_well(delays: list[Future[Played]], tally: Tally, number: int) -> None:
    tally.add(delays[number].result())
