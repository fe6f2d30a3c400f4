"""Settings from the environment and the env file; all missing ones are named at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from bookreport.errors import Configuration
from bookreport.hours import EARLIEST, LAST, Hour, parse_hours
from bookreport.rejects import RejectLimit

POSTGRES = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD")
MOST_JOBS = 64
LIBPQ = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE")


@dataclass(frozen=True)
class BucketSettings:
    """Where the partitions are, and the keys for them; None leaves it to botocore's own chain."""

    bucket: str
    prefix: str
    endpoint_url: str | None
    access_key: str | None
    secret_key: str | None
    marker: str
    ignore: tuple[str, ...]


class Settings:
    """The settings of one command, from `environment` (environment variables and the env file, merged)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = {name: value for name, value in environment.items() if value.strip()}

    @classmethod
    def load(cls, env_file: Path | None = None) -> Settings:
        """Return the settings of the environment, completed from `env_file` or, without one, from ./.env if that exists.

        They are also set in the process's environment, so that libpq and botocore find their own names there. Nothing in the
        file is expanded: a `$` in a password is a `$`. Raises Configuration if the named file can't be read.
        """
        path = env_file or Path(".env")
        if env_file is not None or path.is_file():
            # Most cron jobs have no file, and need not pay for the import.
            from dotenv import load_dotenv

            try:
                with path.open(encoding="utf-8") as stream:
                    load_dotenv(stream=stream, override=False, interpolate=False)
            except (OSError, UnicodeDecodeError) as error:
                raise Configuration(
                    f"can't read the env file {path}: {getattr(error, 'strerror', None) or error}", hint="check --env-file FILE"
                ) from error
        return cls(os.environ)

    def require(self, *, bucket: bool = False, database: bool = False) -> None:
        """Raise Configuration naming every missing setting that the command needs."""
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
        )

    @property
    def database_url(self) -> str:
        """DATABASE_URL; else built from POSTGRES_*; else an empty URL, which leaves everything to PG* and libpq."""
        if url := self._get("DATABASE_URL"):
            return url
        if not any(map(self._get, POSTGRES)):
            return "postgresql://"
        host, port, name, user, password = map(self._get, POSTGRES)
        login = quote(user or "postgres", safe="") + (f":{quote(password, safe='')}" if password else "")
        address = (host or "localhost") + (f":{port}" if port else "")
        if address.startswith("/"):
            return f"postgresql://{login}@/{quote(name or '', safe='')}?host={quote(host or '', safe='')}" + (
                f"&port={port}" if port else ""
            )
        return f"postgresql://{login}@{address}/{quote(name or '', safe='')}"

    @property
    def schema(self) -> str:
        return self._get("BOOKREPORT_SCHEMA") or "bookreport"

    @property
    def language(self) -> str | None:
        """The language whose buyers reports count, as the books spell it; None leaves it to the report."""
        return self._get("BOOKREPORT_LANGUAGE")

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
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST_JOBS):
            raise Configuration(f"BOOKREPORT_JOBS is {text!r}", hint=f"set it to a number from 1 to {MOST_JOBS}")
        return int(text)

    @property
    def earliest(self) -> Hour:
        """The first hour of BOOKREPORT_FIRST_YEAR; this shop has no earlier hour."""
        text = self._get("BOOKREPORT_FIRST_YEAR") or str(EARLIEST.start.year)
        if not (text.isascii() and text.isdigit() and 1 <= int(text) < LAST.start.year):
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
