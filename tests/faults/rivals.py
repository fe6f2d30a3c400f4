"""The same kills and cuts against bookreport, the usual script and dlt.

Run it by hand: python tests/faults/rivals.py PYTHON_WITH_DLT, where PYTHON_WITH_DLT is the interpreter of a virtual
environment of its own: pip install 'dlt[postgres,s3]' pandas.
"""

from __future__ import annotations

import io
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg2

sys.path.insert(0, str(Path(__file__).parents[1]))

from bookreport import __version__
from faults.account import wait_until_alone
from faults.lab import ROUNDS, SEED, Lab, Trace, Usual, killing, laboratory
from faults.proxy import Cut, Link
from faults.shop import Hour, shop

ROWS = 1000
"""Purchases in each of the three files of each of the four hours."""

TRIES = 5
"""Consecutive undisturbed runs that may fail before a rival counts as stuck."""


@dataclass
class Score:
    """How a rival did under all the faults together."""

    faults: int = 0
    seen_half: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    wrong_in_the_end: int = 0
    stuck: int = 0


@dataclass
class Rival:
    """A way to load the bucket: its command, the database it starts from, and where its rows are."""

    name: str
    version: str
    command: list[str]
    template: str
    table: str
    environment: dict[str, str] = field(default_factory=dict)
    score: Score = field(default_factory=Score)

    def start(self, lab: Lab, database: str, work: Path) -> subprocess.Popen[str]:
        """Start it, to load the bucket into a database through both proxies."""
        settings = lab.settings(database, S3_BUCKET="rivals", PIPELINES=str(work), **self.environment)
        if self.template != "migrated":
            # dlt has a virtual environment of its own.
            settings.pop("PYTHONPATH", None)
        return subprocess.Popen(
            self.command, env=settings, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def rows(self, lab: Lab, database: str) -> dict[str, Counter[str]]:
        """Return the rows of each hour that a reader finds now."""
        wait_until_alone(lab.url(database))
        found: dict[str, Counter[str]] = {}
        with closing(psycopg2.connect(lab.url(database))) as connection, connection.cursor() as cursor:
            cursor.execute("select to_regclass(%s)", (self.table,))
            if cursor.fetchone() == (None,):
                return found
            output = io.StringIO()
            cursor.copy_expert(
                "copy (select left(purchased_at, 13), user_id, isbn10, quantity, round(unit_price::numeric, 2), purchased_at"
                f" from {self.table}) to stdout (format csv)",
                output,
            )
        for line in output.getvalue().splitlines():
            start, _, row = line.partition(",")
            found.setdefault(start, Counter())[row] += 1
        return found


def truth(hour: Hour) -> Counter[str]:
    """Return the rows that a reader must find."""
    return Counter(f"{user},{isbn10},{quantity},{price:.2f},{at}" for user, isbn10, quantity, price, at in hour.sales)


def disturbed(lab: Lab, rival: Rival, database: str, work: Path, usual: Usual, chance: random.Random, kind: str) -> None:
    """Run a rival once, and kill it or cut one of its connections at a random piece of the traffic."""
    process: list[subprocess.Popen[str]] = []
    way = chance.choice(sorted(usual.pieces))
    arrives, share, reset = chance.random() < 0.5, chance.random(), chance.random() < 0.5

    def cut(_link: Link, _to_server: bool, piece: bytes) -> bytes:
        raise Cut(passed=piece[: int(share * len(piece))], reset=reset)

    at = (*way, 1 + int(chance.random() * usual.pieces[way]))
    lab.trace(Trace(at, killing(process, arrives=arrives) if kind == "kill -9" else cut))
    process.append(rival.start(lab, database, work))
    process[0].communicate(timeout=300)
    lab.calm()


def settle(lab: Lab, rival: Rival, database: str, work: Path) -> str:
    """Run a rival undisturbed until it succeeds; return its last stderr if it never does."""
    said = ""
    for _ in range(TRIES):
        process = rival.start(lab, database, work)
        _, said = process.communicate(timeout=300)
        if process.returncode == 0:
            return ""
    return said


def play(lab: Lab, rival: Rival, hours: list[Hour], say: Callable[[str], object]) -> None:
    """Disturb a rival with ROUNDS kills and as many cuts, each on an empty database, and count the damage."""
    truths = {str(hour): truth(hour) for hour in hours}
    usual = None
    for kind in ("usual", *["kill -9"] * ROUNDS, *["cut"] * ROUNDS):
        database, work = lab.new_database(rival.template), lab.folder / "rival"
        work.mkdir()
        if usual is None:
            trace = lab.trace(Trace())
        else:
            disturbed(lab, rival, database, work, usual, random.Random(f"{SEED} {kind} {rival.score.faults}"), kind)
            rival.score.faults += 1
            seen = rival.rows(lab, database)
            rival.score.seen_half += sum(bool(seen.get(start)) and seen[start] != rows for start, rows in truths.items())
        said = settle(lab, rival, database, work)
        found = rival.rows(lab, database)
        lost = sum((rows - found.get(start, Counter())).total() for start, rows in truths.items())
        doubled = sum((rows - truths.get(start, Counter())).total() for start, rows in found.items())
        if usual is None:
            usual = Usual(trace.pieces, 0)
            lab.calm()
            assert (lost, doubled, said) == (0, 0, ""), f"{rival.name} does not load the bucket undisturbed: {said}"
        rival.score.stuck += bool(said)
        rival.score.rows_lost += lost
        rival.score.rows_doubled += doubled
        rival.score.wrong_in_the_end += sum(found.get(start) != rows for start, rows in truths.items())
        if lost or doubled or said:
            last = said.strip().splitlines()[-1:] or [""]
            say(f"{rival.name}: {kind} {rival.score.faults}: {lost} rows lost, {doubled} doubled {last[0][:200]}")
        lab.drop(database)
        shutil.rmtree(work)
    say(f"{rival.name}: {rival.score}")


def main(python: str) -> None:
    """Play all rivals and print the table."""
    of_dlt = subprocess.check_output([python, "-c", "import dlt; print(dlt.__version__)"], text=True).strip()
    of_script = f"boto3 {version('boto3')}, psycopg2 {version('psycopg2-binary')}"
    here = Path(__file__).parent
    with laboratory() as lab:
        hours = shop(4, ROWS, seed="rivals")
        lab.new_bucket("rivals", hours)
        for name in ("script", "empty"):
            lab.execute(f"create database {name}")
        lab.execute(
            "create table purchases (user_id text, isbn10 text, quantity int, unit_price numeric, purchased_at text)",
            "script",
        )
        lab.execute("create table ledger (hour text primary key)", "script")
        keys = {"AWS_ACCESS_KEY_ID": lab.store.access_key, "AWS_SECRET_ACCESS_KEY": lab.store.secret_key}
        region = {"AWS_DEFAULT_REGION": "us-east-1", "RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
        rivals = [
            Rival(
                "bookreport", __version__,
                [sys.executable, "-m", "bookreport", "ingest"], "migrated", "bookreport.purchases",
            ),
            Rival(
                "the 30-line script", of_script,
                [sys.executable, str(here / "rival_script.py")], "script", "purchases", keys | region,
            ),
            Rival("dlt", of_dlt, [python, str(here / "rival_dlt.py")], "empty", "shop.purchases", keys | region),
        ]  # fmt: skip
        wanted = os.environ.get("RIVALS", "").split(",")
        for rival in rivals:
            if wanted == [""] or rival.name in wanted:
                play(lab, rival, hours, lambda line: print(line, file=sys.stderr, flush=True))
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {ROUNDS} kills and {ROUNDS} cuts each, seed {SEED}",
        "",
        "| | version | hours seen half loaded | rows lost | rows doubled | hours wrong in the end | never ended well |",
        "|---|---|---|---|---|---|---|",
    ]
    for rival in rivals:
        score = rival.score
        lines.append(
            f"| {rival.name} | {rival.version} | {score.seen_half} | {score.rows_lost:,} | {score.rows_doubled:,} |"
            f" {score.wrong_in_the_end} | {score.stuck} |"
        )
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1])
