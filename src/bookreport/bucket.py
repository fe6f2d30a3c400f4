"""The bucket: which hours there are, which files an hour has, and their bytes."""

from __future__ import annotations

import fnmatch
import logging
import random
import ssl
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PaginationError,
    PartialCredentialsError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from bookreport import partitions
from bookreport.errors import BadData, BookreportError, ChangedWhileLoading, Configuration, NotReady, Temporary, Unreadable
from bookreport.files import File, Source
from bookreport.gzipped import Content
from bookreport.hours import FIRST, LAST, ONE_HOUR, Hour, Span, in_words
from bookreport.partitions import Partitions, Sought
from bookreport.tls import Certificate, Protection, is_this_machine

if TYPE_CHECKING:
    from mypy_boto3_s3 import ListObjectsV2Paginator, S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef, ObjectTypeDef

log = logging.getLogger(__name__)

CHUNK = 1 << 18
"""Bytes read from the network, and passed on, as one chunk."""

FRUITLESS_TRIES = 5
"""Retries of a body without a byte of progress, before the file is given up."""

_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403", "401"}


class Bucket:
    """The partitions of one bucket below one prefix; strictly read-only.

    `prefix` is empty or ends in `/`. `endpoint_url` None means AWS; keys that are None leave it to AWS's own chain. `marker`
    is the name of the object that closes an hour (`marker_name`), `ignore` the patterns of names (in a partition, or stray)
    that are no data. `place` and `keys`: the settings that say where the bucket is and who may read it, as hints name them.
    All methods raise Temporary if the store is unreachable after retries, and Configuration if it denies access, has no
    such bucket, its clock differs from this machine's, or no client can be made of the settings.
    """

    def __init__(
        self,
        name: str,
        prefix: str = "",
        *,
        endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        marker: str = "FULL",
        ignore: Collection[str] = (),
        place: str = "S3_BUCKET and S3_ENDPOINT_URL",
        keys: str = "MINIO_ROOT_USER and MINIO_ROOT_PASSWORD (or AWS_*)",
        connections: int = 1,
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.endpoint_url = endpoint_url
        self.requests = 0
        self._counting = threading.Lock()
        self.marker_name = marker
        self._ignore = tuple(ignore)
        self._place, self._keys = place, keys
        self._access_key, self._secret_key = access_key, secret_key
        self._connections = connections

    @cached_property
    def _client(self) -> S3Client:
        # Made when it is first used: what is wrong with the settings is then an error of that use.
        with self._translated(making=True):
            client: S3Client = boto3.client(
                "s3",
                endpoint_url=self.endpoint_url,
                aws_access_key_id=self._access_key,
                aws_secret_access_key=self._secret_key,
                config=Config(
                    connect_timeout=10,
                    read_timeout=30,
                    max_pool_connections=10 + self._connections,
                    tcp_keepalive=True,
                    retries={"mode": "standard", "total_max_attempts": 5},
                    # A self-hosted endpoint seldom has a host name for each bucket.
                    s3={"addressing_style": "path" if self.endpoint_url else "auto"},
                    # The default since botocore 1.36 breaks older S3-compatible stores.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        client.meta.events.register("before-send.s3", self._count)
        _protection(client).warn(f"S3 at {client.meta.endpoint_url}", "let S3_ENDPOINT_URL begin with https")
        return client

    @cached_property
    def _pages(self) -> ListObjectsV2Paginator:
        return self._client.get_paginator("list_objects_v2")

    @property
    def identity(self) -> Source:
        """What identifies the bucket in the ledger."""
        return Source((self.endpoint_url or "").rstrip("/"), self.name, self.prefix)

    @property
    def protection(self) -> Protection:
        """What protects the connections to the store."""
        return _protection(self._client)

    @property
    def address(self) -> str:
        """The address of the bucket and prefix, for messages."""
        return f"s3://{self.name}/{self.prefix}"

    def url(self, hour: Hour, key: str = "") -> str:
        """Return the address of an hour's partition, or of an object in it, for messages."""
        return f"{self.address}{hour.partition}{key}"

    def marker_url(self, hour: Hour) -> str:
        """Return the address of the hour's marker, whether it is there or not."""
        return self.url(hour, self.marker_name)

    def clock(self) -> datetime | None:
        """List below the prefix, and return the time in the store's reply; None if it has none."""
        with self._translated():
            answer = self._client.list_objects_v2(Bucket=self.name, Prefix=self.prefix, Delimiter="/", MaxKeys=1)
        try:
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).astimezone(UTC)
        except (KeyError, ValueError, OverflowError):
            return None

    def hours(
        self,
        since: Hour | None = None,
        until: Hour | None = None,
        known: Collection[Hour] = (),
        within: Span | None = None,
    ) -> Partitions:
        """Return the hours that have a partition, from `since` to `until` (exclusive), except those `known`.

        Partitions are listed level by level with a delimiter, so the files in them cost nothing. A year, month or day that
        is outside the span, or whose hours are all known, is not entered; nor is one outside `within`, the believable hours,
        which is reported as far off whatever the span. Stray objects come from the same listings, unless they are hidden or
        match `ignore`; at the top of the bucket, which may be shared, only CSV files do.
        """
        sought = Sought(since or FIRST, until or LAST, set(known), within or Span(FIRST, LAST))
        found = partitions.find(self._listed, sought)
        return replace(found, stray=[path for path in found.stray if self._may_be_sales(path)])

    def marker(self, hour: Hour) -> File | None:
        """Return the hour's marker, whose time is when the hour was closed; None if it is still open."""
        key = f"{self.prefix}{hour.partition}{self.marker_name}"
        # A listing distinguishes a missing bucket from a missing marker, and needs only the right to list; HEAD does neither.
        with self._translated():
            for page in self._listing(key):
                for entry in page.get("Contents", []):
                    if entry["Key"] == key:
                        return _file(self.marker_name, entry)
        return None

    def complete(self, hour: Hour) -> tuple[File, tuple[File, ...]]:
        """Return the hour's marker and its files, both from one listing.

        Raises NotReady while it has no marker; otherwise what `files` raises.
        """
        entries = self._entries(hour)
        marker = entries.get(self.marker_name)
        if marker is None:
            raise self._not_ready(hour, entries)
        return _file(self.marker_name, marker), self._files(hour, entries)

    def _not_ready(self, hour: Hour, entries: Mapping[str, ObjectTypeDef]) -> NotReady:
        """Return the failure that an hour with these `entries` has no marker: what is there, since when, and what to do."""
        over = (self.clock() or datetime.now(UTC)) - (hour.start + ONE_HOUR)
        when = f"it ended {in_words(over)} ago" if over >= timedelta(0) else f"it ends at {hour + 1}:00Z"
        files = [key for key, entry in entries.items() if self._is_data(key, entry["Size"]) and _is_csv(key)]
        there = {0: "nor is any file", 1: "1 file is"}.get(len(files), f"{len(files):,} files are")
        hint = f"{self.marker_name} is written by whoever writes the hour, after its last file; ask them if it does not come"
        others = [key for key, entry in entries.items() if key and entry["Size"] == 0 and "/" not in key and not _is_csv(key)]
        return NotReady(
            f"{hour} is not complete: {when}, and {self.url(hour, self.marker_name)} is not there; {there}",
            hint=f"{hint}; or, if {others[0]!r} is the marker, set BOOKREPORT_MARKER" if others else hint,
        )

    def files(self, hour: Hour) -> tuple[File, ...]:
        """Return the hour's files, ordered by key.

        Raises BadData, naming the object, for anything but CSV files, the marker and what is ignored.
        """
        return self._files(hour, self._entries(hour))

    def contents(self, hour: Hour) -> tuple[bool, tuple[File, ...] | BadData]:
        """Return whether the hour has its marker, and its files or what `files` raises, all from one listing."""
        entries = self._entries(hour)
        try:
            return self.marker_name in entries, self._files(hour, entries)
        except BadData as error:
            return self.marker_name in entries, error

    def _entries(self, hour: Hour) -> dict[str, ObjectTypeDef]:
        partition = f"{self.prefix}{hour.partition}"
        with self._translated():
            pages = [page.get("Contents", []) for page in self._listing(partition)]
        return {entry["Key"].removeprefix(partition): entry for page in pages for entry in page}

    def _files(self, hour: Hour, entries: Mapping[str, ObjectTypeDef]) -> tuple[File, ...]:
        data = {key: entry for key, entry in entries.items() if self._is_data(key, entry["Size"])}
        strange = sorted(key for key in data if "/" in key or not _is_csv(key))
        if strange:
            names = ", ".join(map(repr, strange[:5]))
            raise BadData(
                f"{self.url(hour)} contains objects that are not CSV files: {names}{' …' if len(strange) > 5 else ''}",
                hint="if they are not data, list a pattern in BOOKREPORT_IGNORE; if they are, supply them as .csv or .csv.gz",
            )
        return tuple(sorted(_file(key, entry) for key, entry in data.items()))

    def read(self, hour: Hour, file: File) -> Content:
        """Return the bytes of a file, which come in chunks of bounded size, unpacked if the first bytes are gzip's.

        Each request asks for the listed ETag; a broken download resumes where it broke (Range, RFC 9110 section 14). Iterating
        raises ChangedWhileLoading if the object is gone or has changed, BadData if its gzip data is truncated, corrupt or a
        bomb, Unreadable if the object can't be fetched although the store answers.
        """
        return Content(self._download(hour, file), file.size)

    def _download(self, hour: Hour, file: File) -> Iterator[bytes]:
        try:
            yield from self._pieces(hour, file)
        except Temporary as error:
            # Raises if the store does not answer at all.
            self.clock()
            raise Unreadable(
                f"{self.url(hour, file.key)} can't be read, although the store is up: {error.message}",
                hint="the next run retries the hour",
            ) from error

    def _pieces(self, hour: Hour, file: File) -> Iterator[bytes]:
        key = f"{self.prefix}{hour.partition}{file.key}"
        offset = 0
        tries = 0
        while offset < file.size:
            try:
                with self._translated():
                    body = self._client.get_object(Bucket=self.name, Key=key, IfMatch=file.etag, Range=f"bytes={offset}-")[
                        "Body"
                    ]
                try:
                    # read(n) raises on a truncated body; `with body` and readlines() take it for complete.
                    while chunk := body.read(CHUNK):
                        offset += len(chunk)
                        tries = 0
                        yield chunk
                finally:
                    body.close()
                if offset < file.size:
                    raise IncompleteReadError(actual_bytes=offset, expected_bytes=file.size)
            except (_Missing, _Changed) as error:
                raise ChangedWhileLoading("it changed during the load", hint="the next run loads its new content") from error
            except (HTTPClientError, IncompleteReadError, HTTPError, OSError) as error:
                tries += 1
                if tries >= FRUITLESS_TRIES:
                    raise Temporary(
                        f"the connection to S3 broke {tries} times at byte {offset:,} of {file.size:,}",
                        hint="the next run retries the hour",
                    ) from error
                log.debug("%s: the connection broke at byte %d of %d; resuming there", file.key, offset, file.size)
                time.sleep(random.uniform(0.5, 1) * 0.25 * 2**tries)
        if offset != file.size:
            raise ChangedWhileLoading(f"it has {offset:,} bytes, but {file.size:,} were listed", hint="the next run retries it")

    def _listed(self, path: str) -> Iterator[str]:
        prefix = f"{self.prefix}{path}"
        with self._translated():
            for page in self._listing(prefix, "/"):
                for folder in page.get("CommonPrefixes", []):
                    yield folder["Prefix"].removeprefix(prefix)
                for entry in page.get("Contents", []):
                    # Some tools write an object for the folder itself.
                    if entry["Key"] != prefix:
                        yield entry["Key"].removeprefix(prefix)

    def _listing(self, prefix: str, delimiter: str = "") -> Iterator[ListObjectsV2OutputTypeDef]:
        for page in self._pages.paginate(Bucket=self.name, Prefix=prefix, Delimiter=delimiter):
            # If a reply breaks off within its HTTP headers, Python sees one without a body: an empty listing.
            if "IsTruncated" not in page:
                raise Temporary("S3's reply to a listing was truncated", hint="the next run carries on")
            # Without the token for its next page, a listing ends here for botocore, as if it were whole.
            if page["IsTruncated"] and not page.get("NextContinuationToken"):
                raise Temporary("S3 began a listing and does not say how it goes on", hint="the next run carries on")
            yield page

    def _may_be_sales(self, path: str) -> bool:
        folder, _, name = path.removesuffix("/").rpartition("/")
        return self._is_data(name, 1) and (bool(folder) or path.endswith("/") or _is_csv(name))

    def _is_data(self, key: str, size: int) -> bool:
        folder = key == "" or (key.endswith("/") and size == 0)
        hidden = key.startswith((".", "_")) or key.rpartition("/")[2].startswith((".", "_"))
        ignored = any(fnmatch.fnmatchcase(key, pattern) for pattern in self._ignore)
        return not (folder or hidden or ignored or key == self.marker_name)

    def _count(self, **_: object) -> None:
        with self._counting:
            self.requests += 1

    @contextmanager
    def _translated(self, *, making: bool = False) -> Iterator[None]:
        """Raise what boto3 and the network raise in the block as bookreport's own; `making`: the client, not a request."""
        try:
            yield
        except ClientError as error:
            raise self._translate(error) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise Configuration(
                f"S3: {error}",
                hint=f"check {self._keys}; or set MINIO_ROOT_USER and MINIO_ROOT_PASSWORD",
            ) from error
        except SSLError as error:
            raise _tls_failure(error, self.endpoint_url or "AWS", self._place) from error
        except (HTTPClientError, EndpointConnectionError, ConnectTimeoutError, PaginationError, HTTPError, OSError) as error:
            where = self.endpoint_url or "AWS"
            raise Temporary(
                f"S3 at {where} is unreachable: {error}",
                hint=f"check that the store is up, then {self._place}; the next run carries on",
            ) from error
        except (BotoCoreError, ValueError) as error:
            # Of a request, a bare ValueError quotes the header that could not be sent, and the key or token in it.
            told = str(error) if making or isinstance(error, BotoCoreError) else "a key or a token can't be sent as it is"
            raise Configuration(f"S3: {told}", hint=f"check {self._place}, then {self._keys}") from error

    def _translate(self, error: ClientError) -> BookreportError:
        answer: dict[str, Any] = dict(error.response)
        code = str(answer.get("Error", {}).get("Code", ""))
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code == "NoSuchBucket":
            return Configuration(
                f"there is no bucket {self.name!r}",
                hint=f"check {self._place}; if it has moved, set that, then run once: bookreport run-hour --new-source",
            )
        if code in ("NoSuchKey", "404") or status == 404:
            return _Missing(str(error))
        if code in ("PreconditionFailed", "412", "InvalidRange") or status == 412:
            return _Changed(str(error))
        if code == "RequestTimeTooSkewed":
            date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "another time")
            return Configuration(f"this machine's clock is off: S3 says it is {date}", hint="synchronise the clock with NTP")
        if code in _REFUSED or status in (401, 403):
            return Configuration(
                f"S3 denied access to bucket {self.name!r}: {code}",
                hint=f"check {self._keys}; s3:ListBucket and s3:GetObject are enough",
            )
        if status >= 500 or code in ("SlowDown", "RequestTimeout", "Throttling") or status == 429:
            return Temporary(f"S3 answered {code or status}, after retries", hint="the next run carries on")
        return Configuration(f"S3 answered {code or status}: {error}", hint=f"check {self._place}")


def _protection(client: S3Client) -> Protection:
    address = urlsplit(client.meta.endpoint_url)
    version = _tls_version(client) if address.scheme == "https" else None
    # Nothing can tell boto3 by a setting not to verify.
    return Protection(version, Certificate.VERIFIED, is_this_machine(address.hostname or ""))


def _tls_version(client: S3Client) -> str:
    """Return the version of TLS of the last requests; "TLS" if there were none, or if they went through a proxy."""
    # boto3 doesn't say, so its idle connections are asked.
    pools = cast(Any, client)._endpoint.http_session._manager.pools
    connections = [connection for pool in map(pools.get, pools.keys()) for connection in pool.pool.queue if connection]
    return next((connection.sock.version() for connection in connections if connection.sock), "TLS")


def _tls_failure(error: SSLError, where: str, place: str) -> BookreportError:
    """Return what it means that no TLS connection could be made: only one that was cut off is worth another try."""
    cause = next(iter(error.kwargs["error"].args), error)
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError | ssl.SSLSyscallError):
        hint = f"check that the store is up, then {place}; the next run carries on"
        return Temporary(f"S3 at {where} is unreachable: the connection was lost during the TLS handshake", hint=hint)
    told = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause)
    return Configuration(
        f"S3 at {where} can't be trusted: {told}",
        hint=f"check AWS_CA_BUNDLE (the CA's certificate), then {place}; see TLS in the README",
    )


def _file(key: str, entry: ObjectTypeDef) -> File:
    return File(key, entry["Size"], entry["ETag"].strip('"'), entry["LastModified"])


def _is_csv(key: str) -> bool:
    return key.lower().endswith((".csv", ".csv.gz"))


class BucketWriter(Bucket):
    """A bucket that samples are written to; loads never use it."""

    def is_empty(self) -> bool:
        """Return whether there is nothing below the prefix; a missing bucket is empty."""
        try:
            with self._translated():
                return not self._client.list_objects_v2(Bucket=self.name, Prefix=self.prefix, MaxKeys=1).get("Contents")
        except Configuration:
            if self._exists():
                raise
            return True

    def create(self) -> None:
        """Create the bucket if it does not exist."""
        if not self._exists():
            with self._translated():
                self._client.create_bucket(Bucket=self.name)

    def write(self, hour: Hour, key: str, content: bytes) -> None:
        """Write an object of the hour's partition."""
        with self._translated():
            self._client.put_object(Bucket=self.name, Key=f"{self.prefix}{hour.partition}{key}", Body=content)

    def close_hour(self, hour: Hour) -> None:
        """Write the hour's marker."""
        self.write(hour, self.marker_name, b"")

    def _exists(self) -> bool:
        try:
            with self._translated():
                self._client.head_bucket(Bucket=self.name)
        except _Missing:
            return False
        return True


class _Missing(Configuration):
    """The store has no such object."""


class _Changed(BookreportError):
    """The object is not the one that was listed."""
