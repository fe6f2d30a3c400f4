"""Any command in any state, and each pair of commands at once, against a model of the whole.

The same steps in each run; FAULTS_SEED makes others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import pytest

from machine import NAMES, command, play
from model import Command
from world import LOADING_POINTS, NEAR, SOURCES, Figures, World, points_of

SEED = os.environ.get("FAULTS_SEED", "e5")
WORLDS, STEPS_EACH = 16, 40


@pytest.fixture(scope="module")
def reached(figures: dict[str, list[str]]) -> Iterator[Figures]:
    """What the tests of this module reached together, for the end of the run."""
    made = Figures()
    yield made
    figures["the model of the whole"] = [*made.lines(), f"FAULTS_SEED={SEED}"]


def test_all_that_is_told_is_the_models_after_each_step(new_world: Callable[[], World]) -> None:
    play(new_world, seed_=SEED, worlds=WORLDS, steps_each=STEPS_EACH)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_beside_each_other(new_world: Callable[[], World], name: str) -> None:
    chance = random.Random(f"{SEED} {name}")
    world = scene(new_world)
    mine, other = SOURCES
    for second in chance.sample(NAMES, len(NAMES)):
        if world.model.source != mine or len(world.model.hours_in("pruned", "skipped")) > len(NEAR) - 3:
            world = scene(new_world)
        if second == "skip":
            # To give an hour up means something where a load of it fails meanwhile.
            hour = next(each for each in NEAR if world.model.status(each) in (None, "failed"))
            source, kind, beside = mine, "all dirty", command(second, mine, hour)
        else:
            hour = chance.choice(NEAR)
            source, kind = chance.choice((mine, mine, other)), chance.choice(("clean", "dirty", "all dirty"))
            takes = other if second == "ingest --new-source" else chance.choice((mine, mine, other))
            beside = command(second, takes, chance.choice((hour, hour, chance.choice(NEAR))))
        world.come(source, hour, [kind], True)
        first = command(name, mine, hour)
        world.at_once(first, beside, "loads" if second == "skip" and first.loads else chance.choice(points_of(first)), hour)


@pytest.mark.parametrize("point", LOADING_POINTS)
@pytest.mark.parametrize("second", ["ingest", "ingest --new-source"])
def test_a_ledger_is_of_one_bucket(new_world: Callable[[], World], point: str, second: str) -> None:
    """Two first runs of two buckets; then a bucket that moves under a run."""
    world = new_world()
    for source in SOURCES:
        world.come_in_turn(source, NEAR[0], ["clean", "dirty", "clean"])
    world.at_once(Command("ingest", SOURCES[0]), Command(second, SOURCES[1]), point, NEAR[0])
    now = world.model.source or SOURCES[0]
    world.come_in_turn(now, NEAR[3], ["clean", "clean"])
    moved = next(source for source in SOURCES if source != now)
    world.at_once(Command("ingest", now), Command("ingest --new-source", moved), point, NEAR[3])


def scene(new_world: Callable[[], World]) -> World:
    """Return a world with an hour in each state."""
    world = new_world()
    mine = SOURCES[0]
    world.come_in_turn(mine, NEAR[0], ["clean", "dirty", "refused", "clean", "odd", "refused"])
    world.run(Command("run-hour -o", mine))
    world.run(Command("skip", mine, NEAR[2]))
    world.run(Command("prune --keep-sums", mine, NEAR[1]))
    return world
