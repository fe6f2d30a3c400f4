"""Settings from the environment and the env file; all missing ones are named at once."""

from __future__ import annotations

import io
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from bookreport.calendars import Calendar
from bookreport.errors import Configuration
from bookreport.hours import EARLIEST, LAST, Hour, parse_hours
from bookreport.messages import SECRETS, is_utf8
from bookreport.quoting import MOST_BYTES
from bookreport.rejects import RejectLimit

POSTGRES = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD")
MOST_JOBS = 64
MOST_OF_A_FILE = 1_000_000
"""Characters of an env file; a device, named by mistake, has no end."""

LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE")

_OF_CHAIN = (
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
)
"""What most often decides where botocore finds its keys."""

_OURS = ("BOOKREPORT_", "S3_", "MINIO_", "DATABASE_URL", "POSTGRES_")
_OF_LIBRARIES = ("PG", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE")
"""How the names of settings begin: those that are read here, and those that libpq and botocore read."""

_SECRET = (
    "POSTGRES_PASSWORD",
    "PGPASSWORD",
    "MINIO_ROOT_PASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY")
_MAY_HOLD_A_PASSWORD = (
    *("DATABASE_URL", "S3_ENDPOINT_URL", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *_PROXIES,
    *map(str.lower, _PROXIES),
)
_SENT_IN_A_HEADER = ("MINIO_ROOT_USER", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PASSWORD = re.compile(r"[^:]*://[^:/@]*:[^@]+@")
_HOST = re.compile(r"/[^\s@?#%\"\\]*|[^\s@?#%/\"\\]+")
_NOT_OURS = ("public", "information_schema", "$user")


@dataclass(frozen=True)
class BucketSettings:
    """Where the partitions are, and the keys for them; None leaves it to botocore's own chain.

    `place` and `keys` say, for hints, which settings decide that, and where each of them is from.
    """

    bucket: str
    prefix: str
    endpoint_url: str | None
    access_key: str | None
    secret_key: str | None
    marker: str
    ignore: tuple[str, ...]
    place: str
    keys: str


class Settings:
    """The settings of one command, from `environment` (environment variables and the env file, merged).

    `files`: the settings of it that are from a file, each with the file's name.
    """

    def __init__(self, environment: Mapping[str, str], files: Mapping[str, Path] | None = None) -> None:
        self._environment = {name: value for name, value in environment.items() if value.strip()}
        self._blank = environment.keys() - self._environment.keys()
        self._files = files or {}

    @classmethod
    def load(cls, env_file: Path | None = None) -> Settings:
        """Return the settings of the environment, completed from `env_file` or, without one, from ./.env if that exists.

        They are also set in the process's environment, so that libpq and botocore find their own names there. Nothing in the
        file is expanded: a `$` in a password is a `$`. From here on, no message shows a secret of theirs. Raises Configuration
        if the named file can't be read, or if a setting holds what none can mean.
        """
        path = env_file or Path(".env")
        added = {}
        if env_file is not None or path.is_file():
            added = {name: value for name, value in _read(path).items() if name not in os.environ}
        os.environ.update(added)
        settings = cls(os.environ, dict.fromkeys(added, path.absolute()))
        SECRETS.keep(settings.secrets)
        settings.require_text()
        return settings

    @property
    def secrets(self) -> set[str]:
        """Every password, key and token among the settings, those within URLs too."""
        found = set(filter(None, map(self._get, _SECRET)))
        for url in filter(None, map(self._get, _MAY_HOLD_A_PASSWORD)):
            login, _, _ = url.partition("://")[2].rpartition("@")
            found.add(login.partition(":")[2])
            found.update(value for name, value in parse_qsl(url.partition("?")[2]) if name in ("password", "sslpassword"))
        return found

    def require_text(self) -> None:
        """Raise Configuration for a setting that is not UTF-8, has control characters, or can't be sent in a header."""
        for name, value in self._environment.items():
            if not name.startswith(_OURS + _OF_LIBRARIES):
                continue
            text = value.strip() if name.startswith(_OURS) else value
            if not is_utf8(text):
                raise Configuration(f"{name} has a byte that is not UTF-8", hint="write it in UTF-8")
            if _CONTROL.search(text):
                raise Configuration(f"{name} has a line break or another control character", hint="write it in one line")
            if name in _SENT_IN_A_HEADER and not text.isascii():
                raise Configuration(
                    f"{name} has a character that is not ASCII", hint="copy it anew; it is sent in HTTP headers"
                )

    def require(self, *, bucket: bool = False, database: bool = False) -> None:
        """Raise Configuration naming every missing setting that the command needs, or the first that is wrong."""
        missing = []
        if bucket and not self._get("S3_BUCKET"):
            missing.append("S3_BUCKET")
        if bucket:
            keys = ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD")
            given = [name for name in keys if self._get(name)]
            missing += [name for name in keys if given and name not in given]
        if database and not any(map(self._get, ("DATABASE_URL", *POSTGRES, *LIBPQ))):
            missing.append("DATABASE_URL (or POSTGRES_HOST, POSTGRES_DB …)")
        if missing:
            raise Configuration(
                f"missing settings: {', '.join(missing)}",
                hint="set them in the environment, in ./.env, or in a file given by --env-file",
            )
        if bucket:
            self._require_endpoint()
        if database:
            # Each raises if it is wrong.
            _ = self.schema, self.database_url

    def _require_endpoint(self) -> None:
        """Raise Configuration unless S3_ENDPOINT_URL is an address alone, which the ledger keeps and messages show."""
        url = self._get("S3_ENDPOINT_URL")
        if url is None:
            return
        hint = "write it like http://127.0.0.1:9000"
        try:
            address = urlsplit(url)
            # Raises ValueError for what is no port.
            whole = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
        except ValueError:
            whole = False
        if "@" in url:
            raise Configuration(
                "S3_ENDPOINT_URL contains a user or a password",
                hint=f"set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD instead, and {hint}",
            )
        if not whole or re.search(r"[?#\s\\]", url):
            raise Configuration("S3_ENDPOINT_URL is not the URL of a store", hint=hint)

    @property
    def bucket(self) -> BucketSettings:
        prefix = (self._get("S3_PREFIX") or "").strip("/")
        ignore = (pattern.strip() for pattern in (self._get("BOOKREPORT_IGNORE") or "").split(","))
        return BucketSettings(
            bucket=self._get("S3_BUCKET") or "",
            prefix=f"{prefix}/" if prefix else "",
            endpoint_url=self._get("S3_ENDPOINT_URL"),
            access_key=self._get("MINIO_ROOT_USER"),
            secret_key=self._get("MINIO_ROOT_PASSWORD"),
            marker=self._get("BOOKREPORT_MARKER") or "FULL",
            ignore=tuple(pattern for pattern in ignore if pattern),
            place=self._told("S3_BUCKET", *self._endpoint),
            keys=self._keys,
        )

    @property
    def _endpoint(self) -> list[str]:
        """The setting that decides which store it is: ours, or else botocore's own."""
        return self._given("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")[:1] or ["S3_ENDPOINT_URL"]

    @property
    def _keys(self) -> str:
        if given := self._given("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD"):
            return self._told(*given)
        given = self._given(*_OF_CHAIN)
        return "AWS's own credential chain" + (f" ({self._told(*given)})" if given else "")

    @property
    def of_database(self) -> str:
        """The settings that say which database it is and who connects, with where each of them is from, for hints."""
        of_postgres = [name for name in POSTGRES if self._get(name) or name == "POSTGRES_HOST"]
        given = self._given("DATABASE_URL") or (of_postgres if self._given(*POSTGRES) else self._given(*LIBPQ))
        if not _PASSWORD.match(self.database_url):
            given += self._given("PGPASSWORD", "PGPASSFILE")
        return self._told(*(given or ["DATABASE_URL"]))

    def _given(self, *names: str) -> list[str]:
        return [name for name in names if self._get(name)]

    def _told(self, *names: str) -> str:
        """Return settings with where they are from: `S3_BUCKET from /etc/bookreport.env, S3_ENDPOINT_URL (not set)`."""
        told: dict[str, list[str]] = defaultdict(list)
        for name in names:
            file = self._files.get(name, "the environment")
            told[f"from {file}" if self._get(name) else "(not set)"].append(name)
        return ", ".join(f"{_listed(those)} {origin}" for origin, those in told.items())

    @property
    def database_url(self) -> str:
        """DATABASE_URL; else built from POSTGRES_*; else an empty URL, which leaves everything to PG* and libpq."""
        if url := self._get("DATABASE_URL"):
            return url
        if not any(map(self._get, POSTGRES)):
            return "postgresql://"
        host, port, name, user, password = map(self._get, POSTGRES)
        if host is not None and not _HOST.fullmatch(host):
            raise Configuration(f"POSTGRES_HOST is {host!r}, not a host", hint="write it like db.example.com")
        if port is not None and not _is_number(port, 1, 65_535):
            raise Configuration(f"POSTGRES_PORT is {port!r}, not a port", hint="write it like 5432")
        login = quote(user or "postgres", safe="") + (f":{quote(password, safe='')}" if password else "")
        address = f"[{host}]" if host and host.count(":") > 1 and "[" not in host else host or "localhost"
        address += f":{port}" if port else ""
        if address.startswith("/"):
            return f"postgresql://{login}@/{quote(name or '', safe='')}?host={quote(host or '', safe='')}" + (
                f"&port={port}" if port else ""
            )
        return f"postgresql://{login}@{address}/{quote(name or '', safe='')}"

    @property
    def schema(self) -> str:
        """The Postgres schema of this environment; raises Configuration if it could not be bookreport's own, or not whole."""
        name = self._get("BOOKREPORT_SCHEMA") or ("" if "BOOKREPORT_SCHEMA" in self._blank else "bookreport")
        hint = "choose a name of its own for bookreport's tables, or leave it unset: bookreport"
        if not name:
            raise Configuration("BOOKREPORT_SCHEMA is empty", hint=hint)
        if len(name.encode(errors="replace")) > MOST_BYTES:
            raise Configuration(
                f"BOOKREPORT_SCHEMA is longer than {MOST_BYTES} bytes: Postgres would cut it, and take it for another",
                hint=hint,
            )
        if name.casefold() in _NOT_OURS or name.casefold().startswith("pg_"):
            raise Configuration(f"BOOKREPORT_SCHEMA is {name}, which is not for one program's tables", hint=hint)
        return name

    @property
    def language(self) -> str | None:
        """The language whose buyers reports count, as the books spell it; None leaves it to the report."""
        return self._get("BOOKREPORT_LANGUAGE")

    @property
    def calendar(self) -> Calendar:
        """The calendar of BOOKREPORT_TIMEZONE; raises Configuration if it is no time zone that is known here."""
        try:
            return Calendar.of(self._get("BOOKREPORT_TIMEZONE") or "UTC")
        except ValueError as error:
            raise Configuration(f"BOOKREPORT_TIMEZONE: {error}") from error

    @property
    def columns(self) -> str | None:
        return self._get("BOOKREPORT_COLUMNS")

    @property
    def header(self) -> str | None:
        return self._get("BOOKREPORT_HEADER")

    @property
    def reject_limit(self) -> RejectLimit:
        """How many rejects an hour may have; raises Configuration if it is no limit."""
        try:
            return RejectLimit.parse(self._get("BOOKREPORT_REJECT_LIMIT") or "1%")
        except ValueError as error:
            raise Configuration(f"BOOKREPORT_REJECT_LIMIT: {error}", hint="write it like 100 or 1%") from error

    @property
    def jobs(self) -> int:
        """How many hours are loaded at once; raises Configuration if it is not a number of jobs."""
        text = self._get("BOOKREPORT_JOBS") or "1"
        if not _is_number(text, 1, MOST_JOBS):
            raise Configuration(f"BOOKREPORT_JOBS is {text!r}", hint=f"set it to a number from 1 to {MOST_JOBS}")
        return int(text)

    @property
    def earliest(self) -> Hour:
        """The first hour of BOOKREPORT_FIRST_YEAR; this shop has no earlier hour."""
        text = self._get("BOOKREPORT_FIRST_YEAR") or str(EARLIEST.start.year)
        if not _is_number(text, 1, LAST.start.year - 1):
            raise Configuration(f"BOOKREPORT_FIRST_YEAR is {text!r}, not a year", hint="write it like 1995")
        return Hour.of(int(text), 1, 1, 0)

    @property
    def lookback(self) -> timedelta:
        """How far before the newest loaded hour a run searches; raises Configuration if it is not whole hours."""
        text = self._get("BOOKREPORT_LOOKBACK") or "7d"
        try:
            return timedelta(hours=parse_hours(text))
        except ValueError as error:
            raise Configuration(f"BOOKREPORT_LOOKBACK: {error}", hint="write it like 7d") from error

    def _get(self, name: str) -> str | None:
        value = self._environment.get(name)
        return value.strip() if value is not None else None


def _read(path: Path) -> dict[str, str]:
    """Return what the env file says; raises Configuration if it can't be read, or says what no environment can hold."""
    # Most cron jobs have no file, and need not pay for the import.
    from dotenv import dotenv_values

    hint = "check --env-file FILE"
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MOST_OF_A_FILE + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise Configuration(
            f"can't read the env file {path}: {getattr(error, 'strerror', None) or error}", hint=hint
        ) from error
    if len(text) > MOST_OF_A_FILE:
        raise Configuration(f"the env file {path} is longer than {MOST_OF_A_FILE:,} characters", hint=hint)
    values = dotenv_values(stream=io.StringIO(text), interpolate=False)
    found = {name: value for name, value in values.items() if value is not None}
    if any("\0" in name + value or "=" in name for name, value in found.items()):
        raise Configuration(f"the env file {path} has a NUL, or a name with =, which no setting can have", hint=hint)
    return found


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _is_number(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most
