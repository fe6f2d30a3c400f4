"""What a command needs to use the bucket: the bucket itself, the source of the ledger, a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from bookreport import ledger
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.commands.session import Session
from bookreport.database import Database
from bookreport.patience import Patience
from bookreport.rejects import RejectLimit
from bookreport.run import Run

log = logging.getLogger(__name__)

AnyBucket = TypeVar("AnyBucket", bound=Bucket)


class BucketSession(Session):
    """A running command that uses the bucket."""

    def bucket(self, kind: type[AnyBucket], connections: int = 1) -> AnyBucket:
        """Return the bucket named by the settings, with room for `connections` at once."""
        where = self.settings.bucket
        return kind(
            where.bucket,
            where.prefix,
            endpoint_url=where.endpoint_url,
            access_key=where.access_key,
            secret_key=where.secret_key,
            marker=where.marker,
            ignore=where.ignore,
            place=where.place,
            keys=where.keys,
            connections=connections,
        )

    @contextmanager
    def source(self) -> Iterator[tuple[Database, Bucket]]:
        """Yield the database and the bucket; raises Configuration if the ledger belongs to another bucket."""
        self.settings.require(bucket=True, database=True)
        with self.migrated(books=False) as database:
            bucket = self.bucket(Bucket)
            with database.transaction(snapshot=True) as transaction:
                ledger.require_source(transaction, bucket.identity)
            yield database, bucket

    @contextmanager
    def run(
        self, reject_limit: RejectLimit | None, *, new_source: bool, jobs: int | None, patience: Patience | None = None
    ) -> Iterator[Run]:
        """Yield a run as the settings say; the options given override them. `patience`: for a database that is away."""
        self.settings.require(bucket=True, database=True)
        columns, jobs = Columns(self.settings.columns, self.settings.header), jobs or self.settings.jobs
        with self.migrated(patience=patience) as database:
            bucket = self.bucket(Bucket, connections=jobs)
            run = Run(
                database,
                bucket,
                columns,
                reject_limit=reject_limit or self.settings.reject_limit,
                new_source=new_source,
                earliest=self.settings.earliest,
                jobs=jobs,
                watch=lambda hours: self.progress(hours, len(hours), "Looking for complete hours"),
            )
            self.log.run_id = str(run.run_id)
            yield run
            log.debug("%d S3 requests", bucket.requests)
