"""Transactions, COPY, and what the driver's errors mean."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2.extensions
import pytest

from bookreport import catalogue, schema
from bookreport.database import Database, Transaction
from bookreport.errors import (
    BookreportError,
    CommitUnknown,
    Configuration,
    CopyRefused,
    Interrupted,
    Locked,
    Temporary,
    WrongSchema,
)
from bookreport.rows import RowStream
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun
from truth import Purchase

COLUMNS = ("user_id", "isbn10", "unit_price")


@pytest.fixture
def run(database: Database, sql: Sql) -> Callable[..., None]:
    """Runs statements in one of bookreport's transactions; there is a table `things` to play with."""
    sql("create table public.things (name text)")

    def statements(*scripts: str) -> None:
        with database.transaction() as transaction:
            for script in scripts:
                transaction.script(script)

    return statements


def test_a_transaction_that_ends_well_is_stored_and_one_that_raises_is_not(run: Callable[..., None], sql: Sql) -> None:
    run("insert into public.things values ('kept')")
    with pytest.raises(BookreportError, match="division by zero"):
        run("insert into public.things values ('lost')", "select 1 / 0")
    assert sql("select name from public.things") == [("kept",)]


def test_the_commit_of_a_broken_transaction_raises(database: Database, sql: Sql) -> None:
    def broken() -> None:
        with database.transaction() as transaction:
            transaction.script("create table public.things (name text)")
            with pytest.raises(BookreportError, match="division by zero"):
                transaction.script("select 1 / 0")

    with pytest.raises(BookreportError, match="nothing was stored"):
        broken()
    assert sql("select to_regclass('public.things')") == [(None,)]


@pytest.mark.usefixtures("run")
def test_a_savepoint_undoes_its_block_alone(database: Database, sql: Sql) -> None:
    def within(transaction: Transaction) -> None:
        with transaction.savepoint():
            transaction.script("insert into public.things values ('within')")
            transaction.insert("insert into public.things select (1 / 0)::text")

    with database.transaction() as transaction:
        transaction.script("insert into public.things values ('before')")
        with pytest.raises(BookreportError):
            within(transaction)
        transaction.script("insert into public.things values ('after')")
    assert sql("select name from public.things order by 1") == [("after",), ("before",)]


def test_the_settings_of_a_transaction_end_with_it(database: Database) -> None:
    def settings(of: psycopg2.extensions.connection) -> list[str]:
        with of.cursor() as cursor:
            cursor.execute("select current_setting(name) from unnest(%s) as name", (names,))
            return [row[0] for row in cursor.fetchall()]

    names = ["search_path", "lock_timeout", "DateStyle", "transaction_isolation"]
    with database.transaction(snapshot=True) as transaction:
        raw = transaction.raw
        assert settings(raw) == ["bookreport", "30s", "ISO, YMD", "repeatable read"]
    assert settings(raw) == ['"$user", public', "0", "ISO, MDY", "read committed"]
    raw.rollback()


def test_a_server_that_has_silently_vanished_is_noticed(database: Database) -> None:
    with database.transaction() as transaction:
        given = transaction.raw.info.dsn_parameters
        # Of probes without an answer, and of data without an acknowledgement, when no probe is sent.
        assert int(given["keepalives_idle"]) + int(given["keepalives_interval"]) * int(given["keepalives_count"]) == 90
        assert given["tcp_user_timeout"] == "90000"


def test_time_outs_of_the_database_end_no_transaction(database: Database, sql: Sql) -> None:
    name = sql("select current_database()")[0][0]
    of_transactions = ["statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"]
    for (setting,) in sql("select name from pg_settings where name = any(%s)", of_transactions):
        sql(f"alter database {name} set {setting} = '200ms'")
    with database.transaction() as transaction:
        assert transaction.one("database/now")
        # Meanwhile the transaction is idle; then it is at work.
        sql("select pg_sleep(0.5)")
        transaction.script("select pg_sleep(0.5)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_is_not_in_utf8_is_refused_by_all_that_use_it(
    server: Callable[[str], str], admin: Sql, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    admin(f"create database {name} encoding '{encoding}' template template0 locale 'C'")
    database = Database(server(name))
    for use in (schema.migrate, schema.require, catalogue.refresh):
        with pytest.raises(Configuration, match=f"{name} is {encoding}; bookreport needs UTF8") as caught:
            use(database)
        assert "encoding 'UTF8'" in str(caught.value.hint)
    database.close()
    admin(f"drop database {name}")


def test_a_snapshot_can_only_read_and_sees_one_state(database: Database, sql: Sql) -> None:
    with database.transaction(snapshot=True) as transaction:
        assert transaction.rows("ledger/failures") == []
        sql("insert into ledger (hour, status) values (%s, 'failed')", HOUR.start)
        assert transaction.rows("ledger/failures") == []
    with pytest.raises(BookreportError), database.transaction(snapshot=True) as transaction:
        transaction.script("delete from ledger")
    assert sql("select count(*) from ledger") == [(1,)]


@pytest.fixture
def month(database: Database) -> Iterator[Transaction]:
    """A transaction that may copy purchases of HOUR."""
    with database.transaction() as transaction:
        transaction.rows("purchases/ensure_month", hour=HOUR.start)
        transaction.rows("purchases/set_hour", hour=HOUR.instant)
        yield transaction


def test_copy_tells_how_many_rows_it_made(month: Transaction) -> None:
    stream = RowStream([b"ana,1,2.5", b"0\nbob,", b"2,3\n"])
    assert month.copy("purchase_rows", COLUMNS, stream, "") == 2 == stream.lines


def test_a_row_that_copy_refuses_is_told_by_its_line(month: Transaction) -> None:
    with pytest.raises(CopyRefused) as caught, month.savepoint():
        month.copy("purchase_rows", COLUMNS, RowStream([b"ana,1,2.50\nbob,2,n/a\n"]), "")
    assert caught.value.line == 2


@pytest.mark.parametrize("line", [b"ana,1", b"ana,1,2,3", b"ana,1,-2", b",1,2", b"ana,1,NaN", b'"ana,1,2', b"\xff,1,2"])
def test_copy_takes_no_row_that_is_none(month: Transaction, line: bytes) -> None:
    with pytest.raises(CopyRefused), month.savepoint():
        month.copy("purchase_rows", COLUMNS, RowStream([line + b"\n"]), ", force_not_null (user_id)")


def test_what_broke_the_stream_is_the_error_that_is_seen(database: Database, sql: Sql) -> None:
    def cut() -> Iterator[bytes]:
        yield b"ana,1,2.50\n"
        raise Temporary("the store went away")

    def copy() -> None:
        with database.transaction() as transaction:
            transaction.rows("purchases/ensure_month", hour=HOUR.start)
            transaction.rows("purchases/set_hour", hour=HOUR.instant)
            transaction.copy("purchase_rows", COLUMNS, RowStream(cut()), "")

    with pytest.raises(Temporary, match="the store went away"):
        copy()
    assert sql("select count(*) from purchases") == [(0,)]


@pytest.mark.parametrize(
    ("state", "failure"),
    [
        ("42501", Configuration),
        ("28P01", Configuration),
        ("25006", Configuration),
        ("3F000", WrongSchema),
        ("42P01", WrongSchema),
        ("55P03", Locked),
        ("53100", Temporary),
        ("53200", Temporary),
        ("57P01", Temporary),
        ("57014", Temporary),
        ("40001", Temporary),
        ("40P01", Temporary),
        ("08006", Temporary),
        ("22P02", BookreportError),
        ("23514", BookreportError),
        ("23505", BookreportError),
        ("XX000", BookreportError),
        ("P0001", BookreportError),
    ],
)
def test_an_error_of_postgres_has_its_place_in_the_tree(database: Database, state: str, failure: type[BookreportError]) -> None:
    with pytest.raises(BookreportError, match="as the server says") as caught, database.transaction() as transaction:
        transaction.script(f"do $$ begin raise exception 'as the server says' using errcode = '{state}'; end $$")
    assert type(caught.value) is failure


@pytest.mark.usefixtures("impatient")
def test_a_table_that_somebody_holds_is_locked(database: Database, sql: Sql) -> None:
    sql("begin")
    sql("lock table ledger")
    with pytest.raises(Locked) as caught, database.transaction() as transaction:
        transaction.rows("ledger/failures")
    sql("rollback")
    assert "pg_locks" in str(caught.value.hint)


def test_a_connection_that_is_cut_is_temporary_and_the_next_one_works(database: Database, sql: Sql) -> None:
    def use(transaction: Transaction) -> None:
        sql("select pg_terminate_backend(%s, 5000)", transaction.raw.info.backend_pid)
        transaction.rows("ledger/failures")

    with pytest.raises(Temporary), database.transaction() as transaction:
        use(transaction)
    with database.transaction() as transaction:
        assert transaction.rows("ledger/failures") == []


def test_a_statement_can_be_cancelled_from_another_thread(database: Database, sql: Sql) -> None:
    def cancel() -> None:
        while sql("select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == [(0,)]:
            time.sleep(0.01)
        database.cancel(signal.SIGTERM)

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(Interrupted) as caught, database.transaction() as transaction:
        transaction.script("select pg_sleep(60)")
    thread.join()
    assert caught.value.exit_code == 143


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_is_temporary() -> None:
    database = Database("postgresql://someone:hunter2@127.0.0.1:1/shop")
    with pytest.raises(Temporary, match="unreachable") as caught, database.transaction():
        pass
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_server_is_waited_for_a_little(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = database._engine.connect
    tries: list[None] = []

    def late() -> Any:
        tries.append(None)
        return connect() if len(tries) > 2 else Database("postgresql://127.0.0.1:1/shop")._engine.connect()

    monkeypatch.setattr(database._engine, "connect", late)
    with database.transaction() as transaction:
        assert transaction.rows("ledger/failures") == []
    assert len(tries) == 3


@pytest.mark.parametrize("change", ["/absent_database", "role"])
def test_a_connection_that_is_refused_is_a_matter_of_configuration(server: Callable[[str], str], change: str) -> None:
    url = server("absent_database") if change != "role" else server("postgres").replace("postgres:@", "stranger:hunter2@")
    database = Database(url)
    with pytest.raises(Configuration, match="does not exist") as caught, database.transaction():
        pass
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("url", ["mysql://root:hunter2@db/shop", "nonsense hunter2", "postgresql://a:hunter2@db:port/shop"])
def test_a_url_that_is_none_for_postgres_is_told_without_its_password(url: str) -> None:
    with pytest.raises(Configuration, match="DATABASE_URL") as caught:
        Database(url)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_usual_scheme_is_taken(database_url: str, scheme: str) -> None:
    database = Database(database_url.replace("postgresql", scheme, 1))
    with database.transaction() as transaction:
        assert transaction.rows("ledger/failures") == []
    database.close()


def lose_at_commit(sql: Sql) -> None:
    """Make the server drop the connection while a load commits."""
    sql("""create function public.vanish() returns trigger language plpgsql as
        $$ begin perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null; end $$""")
    sql("""create constraint trigger vanish after insert on ledger_files deferrable initially deferred
        for each row execute function public.vanish()""")


def test_a_connection_lost_while_committing_is_told_apart(database: Database, sql: Sql) -> None:
    lose_at_commit(sql)
    sql("insert into ledger (hour, status) values (%s, 'loaded')", HOUR.start)
    with pytest.raises(CommitUnknown), database.transaction() as transaction:
        transaction.script(f"insert into ledger_files values ('{HOUR.instant}', 'a.csv', 'x', 1, now(), '{{}}', 1, 0)")
    assert sql("select count(*) from ledger_files") == [(0,)]


def test_a_load_whose_commit_was_lost_is_not_loaded(bookstore: Bookstore, load: Load, sql: Sql) -> None:
    lose_at_commit(sql)
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    outcome = load(HOUR)
    assert outcome.outcome == "failed"
    assert outcome.error is not None
    assert outcome.error.exit_code == 5
    assert sql("select count(*) from purchases") == [(0,)]
    sql("drop function public.vanish cascade")
    assert load(HOUR).outcome == "loaded"
    assert sql("select count(*) from purchases") == [(1,)]


def test_a_load_whose_commit_was_done_though_its_answer_was_lost_is_loaded(
    bookstore: Bookstore, make_run: MakeRun, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    loader, commit = make_run(), Database._commit

    def lost(connection: Any, raw: Any) -> None:
        commit(connection, raw)
        if sql("select count(*) from purchases") == [(1,)]:
            monkeypatch.setattr(Database, "_commit", staticmethod(commit))
            raise CommitUnknown("the connection to Postgres was lost during the commit")

    monkeypatch.setattr(Database, "_commit", staticmethod(lost))
    outcome = loader.loader.load(HOUR)
    assert (outcome.outcome, outcome.rows_loaded) == ("loaded", 1)
    assert sql("select count(*) from loads") == [(1,)]


def test_nothing_that_is_set_in_quarantine_outlives_it(database: Database) -> None:
    with database.quarantine() as transaction:
        transaction.script("select set_config('synchronous_commit', 'off', false), pg_advisory_lock(7)")
        backend = transaction.raw.get_backend_pid()
    with database.transaction() as transaction:
        settings = transaction.connection.exec_driver_sql("select current_setting('synchronous_commit')").scalar_one()
        locks = transaction.connection.exec_driver_sql("select count(*) from pg_locks where locktype = 'advisory'").scalar_one()
        assert (settings, locks) == ("on", 0)
        assert transaction.raw.get_backend_pid() != backend


def test_nothing_can_be_written_in_quarantine(database: Database) -> None:
    for statement in ("create table things (name text)", "delete from ledger", "set transaction read write"):
        with pytest.raises(BookreportError, match=r"read-only|read-write"), database.quarantine() as transaction:
            transaction.script(f"select from ledger; {statement}")


def test_what_takes_too_long_in_quarantine_is_ended(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookreport.database.QUARANTINE_SECONDS", 1)
    with pytest.raises(Temporary, match="timeout"), database.quarantine() as transaction:
        transaction.script("select pg_sleep(600)")


HANGING = """do $$ begin loop begin perform pg_sleep(1); exception when query_canceled then null; end; end loop; end $$"""


def test_what_catches_its_end_in_quarantine_is_ended_all_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookreport.database.QUARANTINE_SECONDS", 1)
    with pytest.raises(Temporary, match="lost"), database.quarantine() as transaction:
        transaction.script(HANGING)


def test_an_interrupt_ends_what_catches_it_in_quarantine(database: Database) -> None:
    threading.Timer(1, database.cancel, [signal.SIGTERM]).start()
    with pytest.raises(Interrupted), database.quarantine() as transaction:
        transaction.script(HANGING)


@pytest.mark.usefixtures("impatient")
def test_who_holds_a_lock_is_told(database: Database, database_url: str) -> None:
    other = Database(database_url)
    with other.transaction() as transaction:
        transaction.lock("an hour")
        pid = transaction.raw.get_backend_pid()
        with database.transaction() as waiting:
            with pytest.raises(
                Locked, match=rf"waited 1 s for it \(role postgres from .+, connected since .+ UTC, pid {pid} "
            ) as caught:
                waiting.lock("an hour", "another")
            # The transaction goes on, and has neither.
            assert waiting.lock_holders() == [caught.value.holder]
        with database.transaction() as free:
            free.lock("another")
    with database.transaction() as free:
        free.lock("an hour", patience=0.1)
    other.close()


@pytest.mark.parametrize("times_before", [0, 1])
def test_a_lock_is_taken_by_one_whether_it_was_taken_before_or_not(
    database: Database, database_url: str, times_before: int
) -> None:
    for _ in range(times_before):
        with database.transaction() as before:
            before.lock("a name")
    other = Database(database_url)
    with other.transaction() as transaction:
        transaction.lock("a name")
        with database.transaction() as late, pytest.raises(Locked):
            late.lock("a name", patience=0.1)
    with database.transaction() as free:
        free.lock("a name", patience=0.1)
    other.close()


def test_a_parameter_that_a_comment_names_stays_out_of_it(database: Database) -> None:
    wanted = {"format": "json", "language": "Spanish", "languages": None}
    with database.transaction() as transaction:
        assert transaction.rows("hourly/files_known", path="a path\ndrop table ledger; --", **wanted) == []
