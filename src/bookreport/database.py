"""Postgres: connections, transactions, COPY, locks, and the translation of driver errors."""

from __future__ import annotations

import logging
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from importlib import resources
from typing import IO, Any, Protocol, cast

import psycopg2
import psycopg2.extensions
from psycopg2 import errorcodes as codes
from sqlalchemy import URL, Connection, Row, TextClause, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from bookreport import refusal
from bookreport.errors import (
    BadData,
    BookreportError,
    CommitUnknown,
    Configuration,
    CopyRefused,
    Interrupted,
    Locked,
    Temporary,
    WrongSchema,
)
from bookreport.quoting import quoted
from bookreport.tls import Certificate, Protection, is_within

log = logging.getLogger(__name__)

LOCK_SECONDS = 30
"""How long a statement waits for a table lock that somebody else holds."""

FIRST_PATIENCE, LATER_PATIENCE = 3.0, 60.0
"""Seconds for which to retry a connection: the first of a run, and every later one (a server that restarts)."""

QUARANTINE_SECONDS = 600
"""How long reading what others own may take: a million books take a second."""

_CONNECTING = {
    "client_encoding": "utf8",
    "application_name": "bookreport",
    "connect_timeout": 10,
    # Notice within a minute and a half that a peer has silently vanished; while it owes an acknowledgement, as in COPY, no
    # keepalive is sent.
    "tcp_user_timeout": 90_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 6,
}

_VERIFIED = {"verify-full": Certificate.VERIFIED, "verify-ca": Certificate.BUT_NOT_ITS_NAME}

_COMMENTS = re.compile(r"^ *--.*\n", re.MULTILINE)

RawConnection = psycopg2.extensions.connection


class Stream(Protocol):
    """What COPY reads from: `read` returns bytes of any length, b"" only at the end; `failure` is the first error it raised."""

    failure: BaseException | None

    def read(self, size: int = -1, /) -> bytes: ...


def query(name: str) -> str:
    """Return the text of `sql/NAME.sql`; NAME starts with the one module that runs it, as in `ledger/entry`."""
    return resources.files("bookreport").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


@cache
def _statement(name: str, before: str = "") -> TextClause:
    # Without comments: a parameter that one of them names is put in there too, and a line break in it would end the comment.
    return text(before + _COMMENTS.sub("", query(name)))


class Transaction:
    """One open transaction; `Database.transaction` begins, commits and rolls it back."""

    def __init__(self, connection: Connection, raise_if_interrupted: Callable[[], None]) -> None:
        self._connection = connection
        self._raise_if_interrupted = raise_if_interrupted
        # Taken now: SQLAlchemy no longer hands it out once the connection is lost, which is when it is needed.
        self.raw = cast(RawConnection, connection.connection.dbapi_connection)

    @property
    def connection(self) -> Connection:
        """The SQLAlchemy connection, for Alembic."""
        return self._connection

    @property
    def database_name(self) -> str:
        """The name of the database."""
        return self.raw.info.dbname

    @property
    def server_version(self) -> int:
        """The server's version, as in server_version_num."""
        return self.raw.server_version

    @property
    def protection(self) -> Protection:
        """What protects the connection."""
        info = self.raw.info
        version = info.ssl_attribute("protocol") if info.ssl_in_use else None
        certificate = _VERIFIED.get(info.dsn_parameters.get("sslmode", ""), Certificate.UNVERIFIED)
        with socket.socket(fileno=os.dup(self.raw.fileno())) as connection:
            return Protection(version, certificate, is_within(connection))

    def begin(self, *, snapshot: bool, search_path: str) -> None:
        """Begin the transaction, in one round trip, as `Database.transaction` promises.

        Raises Configuration if the database has another encoding than UTF8, or is to be written to and can only be read.
        """
        isolation = "repeatable read, read only" if snapshot else "read committed, read write"
        # By SET, for which no name is looked up.
        path = f"set local search_path to {search_path};\n".replace(":", r"\:") if search_path else ""
        begin = _statement("database/begin", f"set transaction isolation level {isolation};\n{path}")
        parameters = {"lock_timeout": f"{LOCK_SECONDS}s"}
        with self.translated():
            try:
                self._connection.execute(begin, parameters)
            except DBAPIError as error:
                if getattr(error.orig, "pgcode", None) != codes.FEATURE_NOT_SUPPORTED:
                    raise
                raise Configuration(
                    "this Postgres is a hot standby, which can only be read",
                    hint="set DATABASE_URL, POSTGRES_HOST or PGHOST to the primary",
                ) from error
        # The server reports it when a connection is made: no round trip.
        encoding = self.raw.get_parameter_status("server_encoding")
        if encoding not in ("UTF8", None):
            raise Configuration(
                f"the encoding of database {self.database_name} is {encoding}; bookreport needs UTF8",
                hint="create one: create database NAME encoding 'UTF8' template template0",
            )

    def rows(self, name: str, /, **parameters: Any) -> Sequence[Row[Any]]:
        """Run `sql/NAME.sql` with `parameters` and return its rows; raises the translation of the driver's error."""
        with self.translated():
            return self._connection.execute(_statement(name), parameters).all()

    def row(self, name: str, /, **parameters: Any) -> Row[Any] | None:
        """Like `rows`, for a query that returns one row at most."""
        rows = self.rows(name, **parameters)
        return rows[0] if rows else None

    def one(self, name: str, /, **parameters: Any) -> Row[Any]:
        """Like `rows`, for a query that always returns one row."""
        with self.translated():
            return self._connection.execute(_statement(name), parameters).one()

    def run(self, name: str, /, *batch: dict[str, Any], **parameters: Any) -> int:
        """Run `sql/NAME.sql`, once or for each of `batch`, and return the number of rows affected."""
        with self.translated():
            return self._connection.execute(_statement(name), list(batch) or parameters).rowcount

    def script(self, sql: str) -> None:
        """Run the statements of `sql` as they are, for what can't be parameters (names of tables, of columns)."""
        with self.translated():
            self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True})

    def insert(self, sql: str) -> None:
        """INSERT a file's rows from the table that COPY loaded; raises CopyRefused as `copy` does."""
        with self.translated(refusing=True):
            self._connection.exec_driver_sql(sql, execution_options={"no_parameters": True})

    def copy(self, table: str, columns: Sequence[str], stream: Stream, options: str) -> int:
        """Load CSV without a header from `stream` into `columns` of `table`; return the number of rows COPY loaded.

        Raises CopyRefused for a record that the table does not accept (the transaction then needs its savepoint), and
        whatever `stream.read` raised: psycopg2 turns that into a QueryCanceled without a cause, so the stream keeps it.
        """
        statement = f"copy {table} ({', '.join(columns)}) from stdin (format csv{options})"
        with self.translated(refusing=True), self.raw.cursor() as cursor:
            try:
                cursor.copy_expert(statement, cast(Any, stream), size=1 << 18)
            except psycopg2.Error as error:
                if stream.failure is not None:
                    raise stream.failure from error
                raise
            return cursor.rowcount

    def copy_out(self, name: str, output: IO[bytes]) -> None:
        """COPY the rows of `sql/NAME.sql` to `output`, in the form that `copy_in` reads."""
        with self.translated(), self.raw.cursor() as cursor:
            cursor.copy_expert(f"copy ({query(name)}\n) to stdout", output, size=1 << 18)

    def copy_in(self, table: str, input_: IO[bytes]) -> None:
        """COPY what `copy_out` wrote, from the start of `input_`, into `table`."""
        input_.seek(0)
        with self.translated(), self.raw.cursor() as cursor:
            cursor.copy_expert(f"copy {table} from stdin", input_, size=1 << 18)

    def now(self) -> datetime:
        """Return the time by Postgres's clock."""
        return cast(datetime, self.one("database/now").now)

    def lock(self, name: str, *more: str, patience: float | None = None) -> None:
        """Lock these names in this schema, in alphabetical order, until the transaction ends.

        Waits up to `patience` seconds for each (default: LOCK_SECONDS). After that it raises Locked, which says who holds
        it, and the transaction goes on without any of them.
        """
        seconds = LOCK_SECONDS if patience is None else patience
        try:
            self.run(
                "database/lock",
                names=[name, *more],
                first=name,
                patience=f"{1000 * seconds:.0f}ms",
                lock_timeout=f"{LOCK_SECONDS}s",
            )
        except Locked as error:
            self.script("rollback to savepoint lock; release savepoint lock")
            holders = self.lock_holders(name, *more)
            raise Locked(
                f"another session holds a lock; waited {seconds:g} s for it",
                hint="wait for it to finish, then try again",
                holder=holders[0] if holders else None,
            ) from error

    def lock_holders(self, *names: str) -> list[str]:
        """Return who else holds locks in this schema (role, address, since when, pid), first those that hold `names`."""
        return [row.told for row in self.rows("database/holders", names=list(names))]

    def wait_for_migration(self, schema: str) -> None:
        """Let one migration of `schema` after the other go on, until the transaction ends; raises Locked if one takes long."""
        self.rows("database/wait_for_migration", schema=schema)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """If the block raises BadData, undo what it did to the database, and nothing else of the transaction."""
        self.script("savepoint file")
        try:
            yield
        except BadData:
            # A savepoint survives rolling back to it: the next would nest in it, and both would keep their locks.
            self.script("rollback to savepoint file; release savepoint file")
            raise
        self.script("release savepoint file")

    @contextmanager
    def translated(self, *, refusing: bool = False) -> Iterator[None]:
        """Raise the driver's errors in the block as bookreport's own; `refusing`: those of a file's rows as CopyRefused."""
        self._raise_if_interrupted()
        try:
            yield
        except (DBAPIError, psycopg2.Error) as error:
            self._raise_if_interrupted()
            raise (_copy_refused(error) if refusing else None) or translate(error, self.raw) from error


class Database:
    """The one Postgres database, and bookreport's schema in it.

    `url` is a `postgresql://` or `postgres://` URL; libpq takes what it omits from PG* and its own files. `settings`: those
    that it is from, as hints name them.
    """

    def __init__(self, url: str, schema: str = "bookreport", settings: str = "DATABASE_URL, POSTGRES_* or PG*") -> None:
        self.schema = schema
        self._settings = settings
        self._live: set[RawConnection] = set()
        self._quarantined: set[RawConnection] = set()
        self._interrupted_by: int | None = None
        self._patience = FIRST_PATIENCE
        self._is_protection_told = False
        self._engine = create_engine(
            _driver_url(url),
            pool_pre_ping=True,
            # As many connections as there are threads.
            max_overflow=-1,
            hide_parameters=True,
            connect_args=_CONNECTING,
        )

    @contextmanager
    def transaction(self, *, snapshot: bool = False, search_path: str | None = None) -> Iterator[Transaction]:
        """Yield a transaction that commits at the end of the block, and rolls back if the block raises.

        `snapshot`: read-only, and all of its queries see one state (REPEATABLE READ). `search_path`: replaces the schema;
        "" keeps the user's own. All settings are local to the transaction, so they work through PgBouncer.
        Raises Temporary if the server is unreachable after retries, Configuration if it refuses the connection for good, if
        the database is not in UTF8, or if it is a hot standby's and no snapshot; CommitUnknown if the connection was lost
        during the commit.
        """
        with self._connected() as transaction:
            transaction.begin(snapshot=snapshot, search_path=quoted(self.schema) if search_path is None else search_path)
            self._tell_protection(transaction)
            yield transaction
            self.raise_if_interrupted()
            self._commit(transaction.connection, transaction.raw)

    @contextmanager
    def quarantine(self) -> Iterator[Transaction]:
        """Yield a read-only snapshot for one statement that reads what others own, such as the books.

        A view or a policy of theirs runs their functions with this role's rights. These can't write, as the transaction is
        read-only; and nothing that they set outlives it, such as where the next statement finds its names: it is rolled
        back, and its connection is closed. Raises Temporary after QUARANTINE_SECONDS, and what `transaction` raises.
        """
        with self._connected() as transaction:
            self._quarantined.add(transaction.raw)
            timer = threading.Timer(QUARANTINE_SECONDS + 1, _hang_up, [transaction.raw])
            timer.daemon = True
            timer.start()
            try:
                transaction.begin(snapshot=True, search_path=quoted(self.schema))
                transaction.script(f"set local statement_timeout = '{QUARANTINE_SECONDS}s'")
                yield transaction
            finally:
                timer.cancel()
                self._quarantined.discard(transaction.raw)
                transaction.connection.invalidate()

    @contextmanager
    def _connected(self) -> Iterator[Transaction]:
        connection = self._connect()
        transaction = Transaction(connection, self.raise_if_interrupted)
        self._live.add(transaction.raw)
        try:
            yield transaction
        finally:
            self._live.discard(transaction.raw)
            # The pool doesn't see raw driver errors: a broken connection must not go back into it.
            if transaction.raw.closed and not connection.invalidated:
                connection.invalidate()
            connection.close()

    def _tell_protection(self, transaction: Transaction) -> None:
        if not self._is_protection_told:
            self._is_protection_told = True
            remedy = "set PGSSLMODE=verify-full and PGSSLROOTCERT"
            transaction.protection.warn(f"Postgres at {transaction.raw.info.host}", remedy)

    def vacuum(self, table: str) -> None:
        """Free the space of deleted rows in `table` and update the planner's statistics, as far as possible now.

        It follows a commit, which nothing undoes: whatever gets in its way is logged, and left to autovacuum.
        """
        try:
            self._vacuum(table)
        except BookreportError as error:
            log.debug("%s was not vacuumed: %s", table, error.message)

    def _vacuum(self, table: str) -> None:
        with self._connected() as transaction:
            transaction.connection.execution_options(isolation_level="AUTOCOMMIT")
            transaction.script(f"vacuum (analyze, skip_locked) {quoted(self.schema)}.{quoted(table)}")

    def cancel(self, signal_number: int) -> None:
        """End the work of every thread with Interrupted; called from the thread that waits for signals."""
        self._interrupted_by = signal_number
        for raw in list(self._live):
            raw.cancel()
        for raw in list(self._quarantined):
            _hang_up(raw)

    def raise_if_interrupted(self) -> None:
        """Raise Interrupted if `cancel` was called; a signal itself reaches only the main thread."""
        if self._interrupted_by is not None:
            raise Interrupted(self._interrupted_by)

    def close(self) -> None:
        self._engine.dispose()

    def _connect(self) -> Connection:
        deadline = time.monotonic() + self._patience
        for attempt in range(1, 1000):
            self.raise_if_interrupted()
            try:
                connection = self._engine.connect()
            except DBAPIError as error:
                translated = self._refused(error)
                if not isinstance(translated, Temporary) or time.monotonic() > deadline:
                    # Having waited for a server once, don't wait for it again until it has answered.
                    self._patience = FIRST_PATIENCE
                    raise translated from error
                time.sleep(random.uniform(0.5, 1) * min(0.25 * 2**attempt, 5))
            else:
                self._patience = LATER_PATIENCE
                return connection
        raise AssertionError("the deadline ends the loop")

    def _refused(self, error: DBAPIError) -> BookreportError:
        """Return what it means that no connection could be made."""
        cause = error.orig
        if not isinstance(cause, psycopg2.OperationalError) or cause.pgcode:
            return translate(error)
        _, parameters = self._engine.dialect.create_connect_args(self._engine.url)
        if hint := refusal.hint({**parameters, **_CONNECTING}, self._settings):
            return Configuration(f"Postgres refused the connection: {_said(cause)}", hint=hint)
        hint = f"check that the server is up and has connections left, then {self._settings}; the next run carries on"
        return Temporary(f"Postgres is unreachable: {_said(cause)}", hint=hint)

    @staticmethod
    def _commit(connection: Connection, raw: RawConnection) -> None:
        # After a failed statement, COMMIT raises no error and stores nothing.
        if raw.get_transaction_status() != psycopg2.extensions.TRANSACTION_STATUS_INTRANS:
            raise BookreportError("the transaction failed before its commit; nothing was stored", hint="run it again")
        try:
            connection.commit()
        except DBAPIError as error:
            if raw.closed or error.connection_invalidated:
                raise CommitUnknown("the connection to Postgres was lost during the commit", hint="run it again") from error
            raise translate(error, raw) from error


def _hang_up(raw: RawConnection) -> None:
    """End a connection under the statement that it runs; a function may catch a cancellation, but not this."""
    with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(raw.fileno())) as connection:
        connection.shutdown(socket.SHUT_RDWR)


def _driver_url(url: str) -> URL:
    """Return `url` for psycopg2: SQLAlchemy 2.1 picks psycopg 3 for a bare `postgresql://`, and rejects `postgres://`.

    Raises Configuration for what is no URL of a Postgres. No part of it is shown: each may turn out to be the password.
    """
    hint = "write it like postgresql://user:password@host:5432/database, with %40 for an @ in the password, and %2F for a /"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise Configuration("DATABASE_URL, or what POSTGRES_* make up, is not a URL", hint=hint) from None
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise Configuration("DATABASE_URL is not for Postgres", hint=hint)
    # Whatever follows a second one, or one that ends no user's name, would be shown as the name of a host or a database.
    if url.count("@") > (parsed.username is not None):
        raise Configuration("DATABASE_URL has an @ that does not end the password", hint=hint)
    parsed = parsed.set(drivername="postgresql+psycopg2")
    _require_options(parsed)
    return parsed


def _require_options(url: URL) -> None:
    """Raise Configuration unless libpq can take all of `url`; psycopg2 would take other options for arguments of its own."""
    for name in url.query:
        if not _is_option(name):
            raise Configuration(
                f"DATABASE_URL has the option {name!r}, which libpq doesn't know or bookreport can't use",
                hint="remove it; libpq's manual lists those there are, such as sslmode",
            )
    try:
        _, options = url.get_dialect()().create_connect_args(url)
        ports = [int(port) for port in str(options.get("port") or 5432).split(",")]
    except (ArgumentError, ValueError):
        ports = []
    if not ports or not all(0 < port <= 65_535 for port in ports):
        raise Configuration("DATABASE_URL has a host or a port that can't be", hint="write a port as a number, such as 5432")
    if not all(isinstance(value, str | int) for value in options.values()):
        raise Configuration("DATABASE_URL has an option twice", hint="give each option once")
    if any("\0" in str(value) for value in options.values()):
        raise Configuration("DATABASE_URL contains %00, which Postgres can't take", hint="set another password or name")


def _is_option(name: str) -> bool:
    try:
        psycopg2.extensions.parse_dsn(f"{name}=''")
    except psycopg2.ProgrammingError:
        return False
    # A connection for replication takes no ordinary statements.
    return name.isidentifier() and name != "replication"


_ACCESS = (
    codes.INSUFFICIENT_PRIVILEGE,
    codes.INVALID_AUTHORIZATION_SPECIFICATION,
    codes.INVALID_PASSWORD,
    codes.READ_ONLY_SQL_TRANSACTION,
)
_UNKNOWN_THERE = (
    codes.INVALID_CATALOG_NAME,
    codes.INVALID_SCHEMA_NAME,
    codes.UNDEFINED_TABLE,
    codes.UNDEFINED_COLUMN,
    codes.UNDEFINED_FUNCTION,
    codes.FEATURE_NOT_SUPPORTED,
)
_PASSING = (
    codes.CLASS_CONNECTION_EXCEPTION,
    codes.CLASS_INSUFFICIENT_RESOURCES,
    codes.CLASS_OPERATOR_INTERVENTION,
    codes.CLASS_TRANSACTION_ROLLBACK,
)
# A row may also have more columns, or be larger, than a table can hold.
_OF_DATA = (codes.CLASS_DATA_EXCEPTION, codes.CLASS_PROGRAM_LIMIT_EXCEEDED)
_OF_TABLE = (codes.NOT_NULL_VIOLATION, codes.CHECK_VIOLATION)


def translate(error: DBAPIError | psycopg2.Error, raw: RawConnection | None = None) -> BookreportError:
    """Return the error of bookreport's own tree that the driver's `error` stands for.

    Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. A lost connection has none
    (libpq's own errors), so `raw.closed` decides.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg2.Error):
        return BookreportError(f"Postgres: {cause}")
    state = cause.pgcode or ""
    said = _said(cause)
    if not state:
        return _without_state(cause, said, raw)
    if state in _ACCESS:
        return Configuration(f"Postgres denied access: {said}", hint="the role needs more privileges; see Roles in the README")
    if state in _UNKNOWN_THERE:
        return WrongSchema(f"Postgres: {said}", hint="run: bookreport migrate")
    if state == codes.LOCK_NOT_AVAILABLE:
        return Locked(f"Postgres: {said} (waited {LOCK_SECONDS} s)", hint="look in pg_locks for who holds it, or try again")
    if state == codes.DISK_FULL:
        return Temporary(f"Postgres is out of space: {said}", hint="free space on the server; the next run carries on")
    if state[:2] in _PASSING:
        return Temporary(f"Postgres: {said}", hint="the next run carries on")
    return BookreportError(f"Postgres: {said} ({state})")


def _without_state(cause: psycopg2.Error, said: str, raw: RawConnection | None) -> BookreportError:
    """Return what libpq's own error, `cause`, stands for; `raw` is None if there is no connection yet."""
    if (raw is not None and raw.closed) or isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError):
        return Temporary(f"the connection to Postgres was lost: {said}", hint="the next run carries on")
    return BookreportError(f"Postgres: {said}")


def _copy_refused(error: DBAPIError | psycopg2.Error) -> CopyRefused | None:
    """Return what `error` says about a file's rows; None if it is about something else."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    state = cause.pgcode or "" if isinstance(cause, psycopg2.Error) else ""
    if not isinstance(cause, psycopg2.Error) or not (state[:2] in _OF_DATA or state in _OF_TABLE):
        return None
    return CopyRefused(_said(cause) + _refused_value(cause), line=_copy_line(cause))


def _said(cause: psycopg2.Error) -> str:
    return " ".join((cause.diag.message_primary or str(cause)).split())


def _copy_line(cause: psycopg2.Error) -> int | None:
    # "COPY purchase_rows, line 7, column quantity: …"; the server's language words it, and the table's name may have digits.
    match = re.match(r"COPY \S+,\D*([0-9]+)", cause.diag.context or "")
    return int(match[1]) if match else None


def _refused_value(cause: psycopg2.Error) -> str:
    name = cause.diag.constraint_name
    return f" ({name})" if name else ""
