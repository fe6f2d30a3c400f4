"""Any command in any state, alone or beside another, against a model of the whole.

The same steps in each run; `make test-faults` takes many more.
"""

from collections.abc import Callable

from machine import play
from world import Figures, World

SEED = "e5"


def test_all_that_is_told_is_the_models_after_each_step(new_world: Callable[[], World], reached: Figures) -> None:
    print(f"seed {SEED}")
    try:
        play(new_world, seed_=SEED, worlds=8, steps_each=25)
    finally:
        print(*reached.lines(), sep="\n")
