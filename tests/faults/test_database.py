"""Postgres under fire: terminated backends, commits whose answer is lost, a restart, time-outs, a full disk."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

from faults.account import inspect
from faults.lab import Lab, Trace, at_request
from faults.proxy import PIECE, Cut, Fault, Link
from running import Ended


def in_copy(act: Fault) -> Fault:
    """Return a fault that hands `act` a piece in the middle of the first COPY."""
    pieces = 0

    def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
        nonlocal pieces
        if to_server and b"copy purchase_rows" in piece:
            link.notes["copy"] = True
        if not to_server or "copy" not in link.notes:
            return piece
        pieces += 1
        return act(link, to_server, piece) if pieces == 4 else piece

    return fault


def at_commit(act: Fault) -> Fault:
    """Return a fault that hands `act` the commit of the first load."""
    trace = Trace()
    note = trace.fault("postgres")

    def fault(link: Link, to_server: bool, piece: bytes) -> bytes:
        note(link, to_server, piece)
        if trace.phase == "commit" and to_server and not trace.struck:
            trace.struck = True
            return act(link, to_server, piece)
        return piece

    return fault


def terminating(lab: Lab, database: str) -> Fault:
    """Return a fault that terminates the tool's backends, as an administrator would."""

    def terminate(_link: Link, _to_server: bool, piece: bytes) -> bytes:
        lab.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'")
        return piece

    return terminate


def loads(lab: Lab, database: str) -> int:
    return int(lab.value("select count(*) from bookreport.loads where outcome = 'loaded'", database=database))


def assert_temporary_and_nothing_loaded(lab: Lab, database: str, ended: Ended) -> None:
    assert (ended.code, ended.error["kind"], ended.error["hour"]) == (5, "temporary", "2022-12-08T00:00:00Z"), ended.err
    assert not inspect(lab.url(database), lab.hours, complete=False).told
    assert loads(lab, database) == 0
    assert not lab.finish(database).told
    assert loads(lab, database) == len(lab.hours)


def test_a_backend_ended_in_copy_is_temporary_and_the_next_run_loads_the_hour(lab: Lab, database: str) -> None:
    lab.postgres.fault = in_copy(terminating(lab, database))
    assert_temporary_and_nothing_loaded(lab, database, lab.run(database, "ingest", "--json"))


def test_a_backend_ended_before_the_commit_is_temporary_and_the_next_run_loads_the_hour(lab: Lab, database: str) -> None:
    lab.postgres.fault = at_commit(terminating(lab, database))
    assert_temporary_and_nothing_loaded(lab, database, lab.run(database, "ingest", "--json"))


def test_a_commit_that_never_arrived_is_temporary_and_the_next_run_loads_the_hour(lab: Lab, database: str) -> None:
    def act(_link: Link, _to_server: bool, _piece: bytes) -> bytes:
        raise Cut

    lab.postgres.fault = at_commit(act)
    assert_temporary_and_nothing_loaded(lab, database, lab.run(database, "ingest", "--json"))


def test_a_commit_whose_answer_is_lost_is_looked_up_in_the_ledger(lab: Lab, database: str) -> None:
    def act(link: Link, _to_server: bool, piece: bytes) -> bytes:
        link.server.sendall(piece)
        assert b"COMMIT" in link.server.recv(PIECE)
        raise Cut

    lab.postgres.fault = at_commit(act)
    ended = lab.run(database, "ingest", "--json")
    assert ended.code == 0, ended.err
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["loaded"] * len(lab.hours)
    assert not inspect(lab.url(database), lab.hours, complete=True).told
    assert loads(lab, database) == len(lab.hours)
    assert not lab.finish(database).told


def test_a_commit_that_is_still_at_work_when_the_connection_is_lost_is_waited_for(lab: Lab, database: str) -> None:
    """A slow commit (a deferred trigger that takes two seconds) continues after its connection is gone."""
    lab.execute(
        "create function bookreport.slow() returns trigger language plpgsql as"
        " $$ begin if new.hour = '2022-12-08 00:00Z' then perform pg_sleep(2); end if; return null; end $$",
        database,
    )
    lab.execute(
        "create constraint trigger slow after insert on bookreport.loads deferrable initially deferred"
        " for each row execute function bookreport.slow()",
        database,
    )

    def act(link: Link, _to_server: bool, piece: bytes) -> bytes:
        link.server.sendall(piece)
        time.sleep(0.5)
        raise Cut

    lab.postgres.fault = at_commit(act)
    ended = lab.run(database, "ingest", "--json")
    assert ended.code == 0, ended.err
    assert not inspect(lab.url(database), lab.hours, complete=True).told
    assert loads(lab, database) == len(lab.hours)


def test_a_run_goes_on_when_a_postgres_that_restarts_between_two_hours_is_back(lab: Lab, database: str) -> None:
    def start() -> None:
        # The server stays away for a while: the run has to meet it gone, and to wait.
        time.sleep(1.5)
        lab.server.ensure_postgres_running()

    starter = threading.Thread(target=start)

    def restart(_link: Link, piece: bytes) -> bytes:
        postmaster: Any = lab.server.get_postmaster_info().process
        postmaster.send_signal(signal.SIGINT)
        postmaster.wait(60)
        starter.start()
        return piece

    lab.s3.fault = at_request(r"list-type=2.*hour=01/(&|$)", restart)
    ended = lab.run(database, "ingest", "--json")
    starter.join()
    assert ended.code == 0, ended.err
    assert [hour["outcome"] for hour in ended.json["hours"]] == ["loaded"] * len(lab.hours)
    assert not lab.finish(database).told


def test_time_outs_set_for_the_role_break_no_load(lab: Lab, database: str) -> None:
    """Time-outs meant for readers' queries must not end a slow COPY."""
    lab.execute(f"alter database {database} set statement_timeout = '300ms'")
    lab.execute(f"alter database {database} set idle_in_transaction_session_timeout = '300ms'")

    def slow(_link: Link, _to_server: bool, piece: bytes) -> bytes:
        time.sleep(1)
        return piece

    lab.postgres.fault = in_copy(slow)
    ended = lab.run(database, "ingest", "--json")
    lab.execute(f"alter database {database} reset all")
    assert ended.code == 0, ended.err
    assert not inspect(lab.url(database), lab.hours, complete=True).told


def test_a_full_disk_is_temporary_and_leaves_the_hour_as_before(lab: Lab, database: str) -> None:
    """The server's own error, raised by a trigger in the middle of a COPY: a test can't fill a disk."""
    lab.execute(
        "create function bookreport.full_disk() returns trigger language plpgsql as $$ begin raise exception"
        " 'could not extend file: No space left on device' using errcode = 'disk_full'; end $$",
        database,
    )
    lab.execute(
        "create trigger full_disk before insert on bookreport.purchase_rows for each row"
        " when (new.user_id = 'user250') execute function bookreport.full_disk()",
        database,
    )
    ended = lab.run(database, "ingest", "--json")
    assert (ended.code, ended.error["kind"]) == (5, "temporary"), ended.err
    assert "space" in ended.error["message"]
    assert not inspect(lab.url(database), lab.hours, complete=False).told
    lab.execute("drop trigger full_disk on bookreport.purchase_rows", database)
    assert not lab.finish(database).told
