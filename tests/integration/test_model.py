"""Any command in any state, alone or beside another, against a model of the whole.

The same steps in each run; `make test-faults` takes many more.
"""

from collections.abc import Callable

from machine import play
from model import Command
from world import NEAR, Figures, World

SEED = "e5"


def test_all_that_is_told_is_the_models_after_each_step(new_world: Callable[[], World], reached: Figures) -> None:
    print(f"seed {SEED}")
    try:
        play(new_world, seed_=SEED, worlds=8, steps_each=25)
    finally:
        print(*reached.lines(), sep="\n")


def test_taking_texts_away_beside_a_load_that_fails_is_no_deadlock(new_world: Callable[[], World]) -> None:
    world = new_world()
    world.come("a", NEAR[0], ["all dirty"], True)
    world.run(Command("ingest", "a"))
    world.at_once(Command("ingest", "a"), Command("prune --rejects-before", "a", NEAR[0] + 1), "ledger", NEAR[0])
