"""Compares a database with the truth: rows lost, rows doubled, hours half loaded."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, field

import psycopg2

from faults.shop import Hour


@dataclass
class Damage:
    """What is wrong; `told` describes it."""

    rows_lost: int = 0
    rows_doubled: int = 0
    hours_half_loaded: int = 0
    told: list[str] = field(default_factory=list)

    def __add__(self, other: Damage) -> Damage:
        return Damage(
            self.rows_lost + other.rows_lost,
            self.rows_doubled + other.rows_doubled,
            self.hours_half_loaded + other.hours_half_loaded,
            self.told + other.told,
        )

    def hour(self, hour: Hour, found: Counter[str], *, recorded: bool, must_be_loaded: bool) -> None:
        """Count what is wrong with one hour: it may be as before (no rows, not recorded) or wholly loaded."""
        lost, too_many = (hour.rows - found).total(), (found - hour.rows).total()
        if not recorded and not found and not must_be_loaded:
            return
        self.rows_doubled += too_many
        if recorded or must_be_loaded:
            self.rows_lost += lost
        if lost or too_many or not recorded:
            self.hours_half_loaded += 1
            self.told.append(f"{hour}: {lost} rows missing, {too_many} too many, recorded as loaded: {recorded}")


@dataclass
class Tally:
    """What all random faults of this run did."""

    faults: Counter[str] = field(default_factory=Counter)
    phases: dict[str, Counter[str]] = field(default_factory=dict)
    damage: Damage = field(default_factory=Damage)

    def add(self, played: Played) -> None:
        """Count one fault, the phase it hit, and the damage; fail if there is any."""
        kind, phase, damage = played
        self.faults[kind] += 1
        self.phases.setdefault(kind, Counter())[phase] += 1
        self.damage += damage
        assert not damage.told, "\n".join(damage.told)


Played = tuple[str, str, Damage]
"""How a round ended: the kind of its fault, the phase it hit, and the damage."""

Rounds = Callable[..., list[Future[Played]]]
"""Starts a number of rounds, each on a database of its own, and returns their futures."""


def inspect(url: str, hours: Sequence[Hour], *, before: Mapping[str, Hour] | None = None, complete: bool) -> Damage:
    """Compare rows, rejects, ledger, ledger_files and loads of a database with the truth.

    `before`: hours that may still be as loaded earlier. `complete`: every hour must be loaded.
    """
    wait_until_alone(url)
    rows: dict[str, Counter[str]] = {}
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("set time zone 'UTC'; set search_path to bookreport")
        output = io.StringIO()
        cursor.copy_expert(
            "copy (select to_char(hour, 'YYYY-MM-DD\"T\"HH24'), user_id, isbn10, quantity, unit_price, sale_value,"
            " purchased_at from purchases) to stdout (format csv)",
            output,
        )
        for line in output.getvalue().splitlines():
            start, _, row = line.partition(",")
            rows.setdefault(start, Counter())[row] += 1
        cursor.execute(
            "select to_char(l.hour, 'YYYY-MM-DD\"T\"HH24'), l.files, l.rows_loaded, l.rows_rejected, h.books_sold, h.sale_value"
            " from ledger l join loads h using (load_id) where status = 'loaded'"
        )
        ledger = {start: entry for start, *entry in cursor.fetchall()}
        cursor.execute("select to_char(hour, 'YYYY-MM-DD\"T\"HH24'), key, etag, rows_loaded from ledger_files")
        files: dict[str, dict[str, tuple[str, int]]] = {}
        for start, key, etag, rows_loaded in cursor.fetchall():
            files.setdefault(start, {})[key] = (etag, rows_loaded)
        cursor.execute("select to_char(hour, 'YYYY-MM-DD\"T\"HH24'), key, raw from rejects")
        rejects: dict[str, Counter[tuple[str, str]]] = {}
        for start, key, raw in cursor.fetchall():
            rejects.setdefault(start, Counter())[key, raw] += 1
    damage = Damage()
    for hour in hours:
        start = str(hour)
        manifest, found = files.pop(start, {}), rows.pop(start, Counter())
        earlier = (before or {}).get(start)
        truth = earlier if earlier and not complete and manifest == earlier.manifest else hour
        damage.hour(truth, found, recorded=start in ledger, must_be_loaded=complete or earlier is not None)
        right = [len(truth.files), len(truth.sales), truth.rejects.total(), truth.books_sold, truth.sale_value]
        if start in ledger and (manifest, ledger[start]) != (truth.manifest, right):
            damage.told.append(f"{hour}: the ledger says {ledger[start]} and {manifest}, not {right} and {truth.manifest}")
        set_aside = rejects.get(start, Counter())
        if set_aside != (truth.rejects if start in ledger else Counter()):
            damage.told.append(f"{hour}: {set_aside} was set aside, not {truth.rejects}")
        if start not in ledger and manifest:
            damage.told.append(f"{hour}: files of an hour that is not loaded: {manifest}")
    if rows or files:
        damage.rows_doubled += sum(found.total() for found in rows.values())
        damage.told.append(f"rows or files of hours that never were: {sorted({*rows, *files})}")
    return damage


def wait_until_alone(url: str) -> None:
    """Wait until the database has no other connection: the server takes its time to end what a killed client began."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for _ in range(600):
                cursor.execute(
                    "select query from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
                )
                left = cursor.fetchall()
                if not left:
                    return
                time.sleep(0.05)
    raise AssertionError(f"backends were left running: {left}")
