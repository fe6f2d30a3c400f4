"""Plain values of the bucket: what identifies it and its files, and how two listings differ."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from bookreport.hours import Hour


@dataclass(frozen=True)
class Source:
    """The bucket that a ledger belongs to; `endpoint` is empty for AWS."""

    endpoint: str
    bucket: str
    prefix: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from other buckets: `http` and `https` of the same endpoint are the same."""
        url = urlsplit(self.endpoint)
        host = url.netloc.lower().removesuffix({"http": ":80", "https": ":443"}.get(url.scheme, ""))
        return (host + url.path, self.bucket, self.prefix)


@dataclass(frozen=True, order=True)
class File:
    """One object of a partition, data or marker: `key` below the partition's prefix, `size` in bytes."""

    key: str
    size: int
    etag: str
    last_modified: datetime

    @property
    def identity(self) -> tuple[str, int, str]:
        """What must not change between listing and commit."""
        return (self.key, self.size, self.etag)


def fingerprint(files: Collection[File]) -> str:
    """Return a digest of the files' identities, independent of their order."""
    text = "\n".join(f"{key}\t{size}\t{etag}" for key, size, etag in sorted(file.identity for file in files))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Difference:
    """One difference between the ledger and what is there now.

    `kind`: added, changed, removed or marker (in the bucket), rows or sums (in the tables); `key` is None if no file differs.
    """

    hour: Hour
    kind: str
    key: str | None
    message: str
    same_size: bool = False

    @property
    def is_in_bucket(self) -> bool:
        """Whether the bucket differs from what was loaded, and not the tables."""
        return self.kind not in ("rows", "sums")


def compare(hour: Hour, recorded: Collection[File], listed: Collection[File]) -> list[Difference]:
    """Return how the files listed in the bucket differ from those that were loaded, ordered by key."""
    then = {file.key: file for file in recorded}
    now = {file.key: file for file in listed}
    differences = []
    for key in sorted({*then, *now}):
        if key not in then:
            differences.append(Difference(hour, "added", key, f"{key} was added: {now[key].size:,} bytes"))
        elif key not in now:
            differences.append(Difference(hour, "removed", key, f"{key} was removed: {then[key].size:,} bytes"))
        elif then[key].size != now[key].size:
            sizes = f"{then[key].size:,} bytes then, {now[key].size:,} now"
            differences.append(Difference(hour, "changed", key, f"{key} was changed: {sizes}"))
        elif then[key].etag != now[key].etag:
            message = f"{key} has the same size but a new ETag: it was copied, or changed in place"
            differences.append(Difference(hour, "changed", key, message, same_size=True))
    return differences
