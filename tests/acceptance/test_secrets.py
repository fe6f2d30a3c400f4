"""No command prints or keeps a secret of its settings, whatever servers and libraries say."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bookreport.messages import HIDDEN, MOST
from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from connection import Sql
from liars import error_of_s3, postgres_saying, s3_saying
from running import Run
from truth import Purchase

FILE = csv_file([Purchase("ana", ENGLISH)])
SECRET = "hunter2-of-somebody"
MEGABYTES = "x" * 5_000_000
MOST_PRINTED = 100_000
"""Characters of all that a command prints about a failure, its traceback included."""

WAYS = [("-v",), ("-v", "--json", "--log-format", "json")]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (400, "Strange", f"{SECRET} {MEGABYTES}"),
        (400, f"{SECRET}{MEGABYTES}", "strange"),
        (404, "NoSuchKey", f"{SECRET} {MEGABYTES}"),
        (403, f"AccessDenied {SECRET} {MEGABYTES}", f"{SECRET}"),
    ],
)
def test_what_a_store_says_is_cut_and_shows_no_secret(
    bookreport: Run, way: tuple[str, ...], status: int, code: str, message: str
) -> None:
    with s3_saying(status, error_of_s3(code, message)) as endpoint:
        ended = bookreport("ingest", *way, S3_ENDPOINT_URL=endpoint, MINIO_ROOT_PASSWORD=SECRET)
    assert ended.code == 6
    assert SECRET not in ended.out + ended.err
    assert len(ended.err) < MOST_PRINTED
    assert max(map(len, ended.err.splitlines())) < 3 * MOST


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_what_postgres_says_is_cut_and_shows_no_secret(bookreport: Run, way: tuple[str, ...]) -> None:
    decoded = "hunter2 of@somebody"
    with postgres_saying(f"no\nentry for {decoded}, hunter2%20of%40somebody, {SECRET} {'x' * 20_000}") as address:
        url = f"postgresql://me:hunter2%20of%40somebody@{address}/shop?sslmode=disable"
        ended = bookreport("report", *way, DATABASE_URL=url, PGPASSWORD=SECRET)
    assert ended.code == 6
    assert f"entry for {HIDDEN}, {HIDDEN}, {HIDDEN}" in ended.err
    assert "hunter2" not in ended.out + ended.err
    assert max(map(len, ended.err.splitlines())) < 3 * MOST


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_neither_the_ledger_nor_what_is_told_of_it_has_a_secret(
    bookreport: Run, bookstore: Bookstore, sql: Sql, way: tuple[str, ...]
) -> None:
    sql(
        "create function tell() returns trigger language plpgsql as"
        f" $$ begin raise exception E'{SECRET}\n\u009b%', repeat('x', 5000000); end $$"
    )
    sql("create trigger tell before insert on ledger_files for each row execute function tell()")
    bookstore.fill(HOUR, FILE)
    ended = bookreport("ingest", *way, AWS_SESSION_TOKEN=SECRET)
    assert ended.code == 1
    kept = [error for (error,) in sql("select last_error from ledger union all select error from loads")]
    assert [(HIDDEN in error, len(error) <= MOST, "\n" in error, "\x9b" in error) for error in kept] == [
        (True, True, False, False)
    ] * 2
    told = bookreport("status", "--json", AWS_SESSION_TOKEN=SECRET).json["failed"][0]["error"]
    assert SECRET not in ended.out + ended.err + told + "".join(kept)


REFUSED: list[Callable[[str], dict[str, str]]] = [
    lambda _: {"DATABASE_URL": f"postgresql://me:p@{SECRET}@127.0.0.1/shop"},
    lambda _: {"DATABASE_URL": f"{SECRET}://127.0.0.1/shop"},
    lambda url: {"S3_ENDPOINT_URL": url.replace("://", f"://me:{SECRET}@")},
    lambda _: {"AWS_SESSION_TOKEN": f"{SECRET}\nSecond: line"},
    lambda _: {"AWS_SESSION_TOKEN": f"{SECRET}€"},
    lambda _: {"MINIO_ROOT_USER": f"{SECRET}\n"[:-1] + "\nx"},
]


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
@pytest.mark.parametrize("settings", REFUSED)
def test_a_setting_that_would_be_shown_with_its_secret_is_refused(
    bookreport: Run, bookstore: Bookstore, sql: Sql, way: tuple[str, ...], settings: Callable[[str], dict[str, str]]
) -> None:
    bookstore.fill(HOUR, FILE)
    ended = bookreport("ingest", *way, **settings(bookstore.store.endpoint_url))
    assert ended.code == 6
    assert SECRET not in ended.out + ended.err
    assert sql("select count(*) from loads union all select count(*) from source") == [(0,), (0,)]


def test_a_key_of_a_credentials_file_that_no_header_can_hold_is_not_shown(bookreport: Run, environment: dict[str, str]) -> None:
    Path(environment["HOME"], "credentials").write_text(
        f"[default]\naws_access_key_id = me\naws_secret_access_key = {SECRET}\naws_session_token = {SECRET}\x01\n"
    )
    ended = bookreport(
        "ingest",
        "-v",
        MINIO_ROOT_USER=None,
        MINIO_ROOT_PASSWORD=None,
        AWS_SHARED_CREDENTIALS_FILE=f"{environment['HOME']}/credentials",
    )
    assert ended.code == 6
    assert SECRET not in ended.out + ended.err
