"""Damaged files of every kind: each intact record is loaded unchanged or set aside, or its file refused; no more."""

import random
from collections.abc import Callable, Iterator

import pytest

import ordeal
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.demo import Store
from bookreport.preview import preview
from bookreport.rejects import RejectLimit
from bookreport.run import Run
from bookstore import BUCKET, Bookstore
from connection import Sql, connected
from sheet import Case, clean
from torture import DAMAGES, cases

SEED, FILES = "bookreport", 230
LIMIT = RejectLimit(count=1_000_000)


def beside(number: int) -> Case | None:
    """A clean file beside every fourth damaged one."""
    return clean(random.Random(f"{SEED} {number}"), first=50_000).case("clean beside") if number % 4 == 0 else None


@pytest.fixture(scope="module")
def bucket(only_bookstore: Bookstore, store: Store) -> Iterator[Bucket]:
    """The tests' shared bucket, emptied once."""
    made = Bucket(BUCKET, endpoint_url=store.endpoint_url, access_key=store.access_key, secret_key=store.secret_key)
    only_bookstore.make_empty()
    yield made
    made._client.close()


@pytest.fixture(scope="module")
def ordeals(
    server: Callable[[str], str], admin: Sql, template: str, bucket: Bucket, only_bookstore: Bookstore
) -> Iterator[tuple[ordeal.Account, list[str]]]:
    """What became of the files, each in an hour of its own, and where a dry run disagreed."""
    hours = ordeal.hours_of(cases(SEED, FILES), beside)
    ordeal.write(hours, only_bookstore.put)
    admin(f"create database torture template {template}")
    with connected(server("torture")) as sql:
        database = Database(server("torture"))
        run = Run(database, bucket, Columns(), reject_limit=LIMIT)
        told = ordeal.each(hours, lambda hour: preview(database, bucket, Columns(), [hour], reject_limit=LIMIT).outcomes[0])
        did = ordeal.each(hours, run.loader.load)
        account = ordeal.account(hours, did, sql)
        database.close()
    yield account, list(ordeal.otherwise(hours, told, did))
    admin("drop database torture with (force)")


@pytest.mark.parametrize("name", [*DAMAGES, "clean beside"])
def test_nothing_is_lost_in_silence_and_nothing_wrong_is_loaded(ordeals: tuple[ordeal.Account, list[str]], name: str) -> None:
    account, _ = ordeals
    violations = account.violations.get(name, [])
    assert not violations, "\n".join(violations)


def test_clean_files_are_loaded_whole_whatever_their_shape(ordeals: tuple[ordeal.Account, list[str]]) -> None:
    account, _ = ordeals
    figures = account.classes["clean"]
    assert (figures.loaded, figures.with_rejects, figures.intact_set_aside) == (figures.files, 0, 0)


def test_a_dry_run_tells_what_the_load_does(ordeals: tuple[ordeal.Account, list[str]]) -> None:
    _, differences = ordeals
    assert not differences, "\n".join(differences)
