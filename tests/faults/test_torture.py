"""Damaged files by the thousands: nothing is lost in silence, and nothing wrong is loaded.

They are the same in each run; FAULTS_SEED makes others.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing

import pytest

import ordeal
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.rejects import RejectLimit
from bookreport.run import Run
from connection import connected
from faults.lab import Lab
from sheet import Case, clean
from torture import DAMAGES, cases, truncations

SEED = os.environ.get("FAULTS_SEED", "e5")
FILES = 2_800
BUCKET = "torture"


def beside(number: int) -> Case | None:
    """A clean file beside every eighth damaged one."""
    return clean(random.Random(f"{SEED} {number}"), first=50_000).case("clean beside") if number % 8 == 0 else None


@pytest.fixture(scope="module")
def account(lab: Lab, figures: dict[str, list[str]]) -> Iterator[ordeal.Account]:
    """What came of the files, each in an hour of its own."""
    lab.new_bucket(BUCKET, [])
    name = lab.new_database()
    damaged = [*cases(f"{SEED} torture", FILES, heavy=24), *truncations(random.Random(f"{SEED} truncations"))]
    hours = ordeal.hours_of(damaged, beside)
    ordeal.write(hours, lambda key, content: lab.put(BUCKET, {key: content}))
    store = lab.store
    bucket = Bucket(BUCKET, endpoint_url=store.endpoint_url, access_key=store.access_key, secret_key=store.secret_key)
    with closing(Database(lab.url(name))) as database, connected(lab.url(name)) as sql, closing(bucket._client):
        run = Run(database, bucket, Columns(), reject_limit=RejectLimit(count=1_000_000))
        made = ordeal.account(hours, ordeal.each(hours, run.loader.load), sql)
    figures["torture"] = made.table()
    yield made
    lab.drop(name)


@pytest.mark.parametrize("name", [*DAMAGES, "clean beside", "truncated at each byte"])
def test_each_intact_record_is_loaded_or_set_aside_or_its_file_refused(account: ordeal.Account, name: str) -> None:
    violations = account.violations.get(name, [])
    assert not violations, "\n".join(violations[:5])
