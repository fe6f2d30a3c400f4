"""Command lines, settings and headers that nobody meant: none ends in exit code 1 or a traceback, none shows a password.

Each run takes the same examples. To take others, and as many as one likes: FUZZ=5000 pytest tests/acceptance/test_hostile.py
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import click
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import documents
from bookreport import cli
from bookreport.commands.options import CommonOptions
from bookstore import HOUR, Bookstore
from commands import Commands, Ended
from liars import error_of_s3, s3_saying

MORE = int(os.environ.get("FUZZ", "0"))
SECRET = "hunter2-of-somebody"
EXPECTED = {0, 2, 3, 4, 5, 6, 7}

Try = Callable[..., Ended]


def examples(number: int) -> settings:
    return settings(
        max_examples=MORE or number,
        derandomize=not MORE,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@pytest.fixture
def attempt(all_commands: Commands, tmp_path: Path, environment: dict[str, str]) -> Iterator[Try]:
    """Runs a command with these settings against the test's database and a store that denies everything."""
    folder = tmp_path / "folder"
    folder.mkdir()
    with s3_saying(403, error_of_s3("AccessDenied", "no")) as endpoint:
        given = environment | {"S3_ENDPOINT_URL": endpoint, "S3_BUCKET": "bookstore"}

        def run(arguments: list[str], changed: dict[str, str] | None = None) -> Ended:
            ended = all_commands.start(arguments, given | (changed or {}), folder, impatient=True).end()
            told = f"{changed} {ended}"
            assert ended.code in EXPECTED, told
            assert "Traceback" not in ended.out + ended.err, told
            assert SECRET not in ended.out + ended.err, told
            if cli._wants_json(arguments) and ended.code:
                assert documents.read(ended.err.splitlines()[-1])["code"] == ended.code, told
            return ended

        yield run


# What a shell can pass on: no NUL, and any byte that is no UTF-8 as a lone surrogate.
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("\udc80\udcff\x1b\x9b\u202e\n")
TEXTS = st.text(CHARACTERS, max_size=20)
ODD = [
    "",
    " ",
    "0",
    "-1",
    "1",
    "9" * 5000,
    "1e9",
    "nan",
    "²",
    "x" * 100_000,
    "%00",
    "%s",
    "{hour}",
    "'",
    '"',
    ",",
    "=",
    "--",
    "-",
]
HOURS = ["last", "2024-05-01T13", "0001-01-01T00", "9999-12-31T23", "9998-12-31T23", "2024-02-30T00", "0001-01-01T00:00+14:00"]
DURATIONS = ["7d", "99999d", "0h", "90m", "1h"]
LIMITS = ["1%", "100%", "101%", "10", "999999999999"]
TABLES = ["a.b.c.d", "public.books", "books", ".", "a.", '"a', '"a"."b"', "a" * 64, "pg_class", "1", "public.nothing"]
VALUES = st.sampled_from([*ODD, *HOURS, *DURATIONS, *LIMITS, *TABLES]) | TEXTS
# Files are written to the test's own folder, if at all; no device, since root could put a file in its place.
PATHS = st.sampled_from(["", "-", "/absent/x", "x" * 300, "x" * 5000, "{hour}", "out/{hour}", "out.txt", "."])

COMMON = ("env_file", "log_format", "verbose", "quiet")
# It takes no values, and starts servers.
COMMANDS = sorted(set(cli.COMMANDS) - {"demo"})


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with some of its options, some of their values as they should be, and perhaps a word too many."""
    name = draw(st.sampled_from(COMMANDS))
    command = cli.commands.get_command(click.Context(cli.commands, obj=CommonOptions()), name)
    assert command is not None
    arguments = [name]
    for option in draw(
        st.lists(st.sampled_from([each for each in command.params if isinstance(each, click.Option)]), max_size=4)
    ):
        if option.is_flag:
            arguments.append(draw(st.sampled_from(option.opts)))
        else:
            is_path = option.name == "output" or isinstance(option.type, click.Path)
            arguments += [option.opts[-1], draw(PATHS if is_path else VALUES)]
    arguments += draw(st.lists(VALUES.filter(lambda word: not word.startswith("-")), max_size=1)) if draw(st.booleans()) else []
    return arguments


@examples(150)
@given(line=command_lines(), as_json=st.booleans())
@example(line=["migrate", "--books", "a.b.c.d"], as_json=True)
@example(line=["report", "--language", ""], as_json=True)
@example(line=["report", "--language", "\udce9"], as_json=True)
@example(line=["rejects", "--limit", "9" * 30], as_json=True)
@example(line=["ingest", "-o", "x" * 5000], as_json=True)
def test_no_command_line_is_unexpected(attempt: Try, line: list[str], *, as_json: bool) -> None:
    attempt([*line, "--json"] if as_json and line[0] not in ("sample", "schema") else line)


# Hosts are of the loopback alone, or none.
LOGINS = TEXTS.map(lambda text: quote(text.encode("utf-8", "surrogateescape"), safe="")) | st.sampled_from(
    ["%00", "%", "a%b", "%ff"]
)
PASSWORDS = st.sampled_from(
    [SECRET, f"{SECRET}@", f"@{SECRET}", f"a/{SECRET}", f"{SECRET}%00", f"?{SECRET}", f"#{SECRET}", f"[{SECRET}"]
)
ADDRESSES = [
    "127.0.0.1:1",
    "127.0.0.1",
    "[::1]:1",
    "::1",
    "localhost:1",
    "localhost:x",
    "localhost:99999",
    "[::1",
    "",
    ":1",
    "127.0.0.1:0",
]
OPTIONS = [
    *("foo=1", "port=x", "port=1", "async=1", "cursor_factory=x", "dsn=x", "host=/nowhere", "host=127.0.0.1:1", "user=a%00"),
    *(
        "sslmode=x",
        "sslmode=disable",
        "connect_timeout=x",
        "options=-c%20nothing",
        "client_encoding=x",
        "service=x",
        "passfile=%00",
    ),
    *(f"password={SECRET}", f"sslpassword={SECRET}", "replication=1", "plugin=x", "keepalives=x", "&", "=", "host=", "a=b=c"),
]


@st.composite
def urls(draw: st.DrawFn, schemes: list[str], options: list[str]) -> str:
    scheme, address = draw(st.sampled_from(schemes)), draw(st.sampled_from(ADDRESSES))
    login = f"{draw(LOGINS)}:{draw(PASSWORDS)}@" if draw(st.booleans()) else ""
    path = draw(st.sampled_from(["", "/", "/shop", "/%00", "/a@b", "/a/b"]))
    query = "&".join(draw(st.lists(st.sampled_from(options), max_size=3)))
    return f"{scheme}://{login}{address}{path}" + (f"?{query}" if query else "")


NAMES = st.sampled_from(
    ["pg_x", "public", "$user", "a" * 64, "ä" * 32, "information_schema", 'a"b', "a,b", "x'; --", "bookreport"]
)
NUMBERS = st.sampled_from([*ODD[:10], *DURATIONS, *LIMITS])
POSTGRES = {
    "POSTGRES_HOST": st.sampled_from([*ADDRESSES, "/nowhere", "a@127.0.0.1", "127.0.0.1?sslmode=x", "127.0.0.1/x"]),
    "POSTGRES_PORT": NUMBERS,
    "POSTGRES_DB": TEXTS,
    "POSTGRES_USER": TEXTS,
    "POSTGRES_PASSWORD": PASSWORDS | TEXTS,
}
LIBPQ = {
    "PGHOST": st.sampled_from(["127.0.0.1", "/nowhere", "", "localhost"]),
    "PGPORT": NUMBERS,
    "PGSSLMODE": VALUES,
    "PGPASSWORD": PASSWORDS,
    "PGOPTIONS": VALUES,
    "PGCONNECT_TIMEOUT": NUMBERS,
    "PGSERVICE": TEXTS,
    "PGAPPNAME": TEXTS,
    "PGCLIENTENCODING": TEXTS,
}
OTHERS = {
    "S3_ENDPOINT_URL": urls(["http", "https", "ftp", "", SECRET], ["a=b"]),
    "S3_BUCKET": VALUES,
    "S3_PREFIX": VALUES,
    "MINIO_ROOT_USER": VALUES,
    "MINIO_ROOT_PASSWORD": PASSWORDS | TEXTS,
    "AWS_SESSION_TOKEN": PASSWORDS | TEXTS.map(lambda text: SECRET + text),
    "AWS_DEFAULT_REGION": TEXTS,
    "AWS_PROFILE": TEXTS,
    "AWS_CA_BUNDLE": PATHS,
    "BOOKREPORT_SCHEMA": NAMES | VALUES,
    "BOOKREPORT_MARKER": VALUES,
    "BOOKREPORT_IGNORE": VALUES,
    "BOOKREPORT_COLUMNS": VALUES
    | st.sampled_from(["user_id=a,isbn10=b", "user_id=#1", "user_id=#99999", 'user_id="', "extra="]),
    "BOOKREPORT_HEADER": VALUES
    | st.sampled_from(["user_id,isbn10,price", "user_id\nisbn10", '"', '"user_id,isbn10', "user_id,user_id"]),
    "BOOKREPORT_LOOKBACK": NUMBERS,
    "BOOKREPORT_FIRST_YEAR": NUMBERS,
    "BOOKREPORT_REJECT_LIMIT": NUMBERS,
    "BOOKREPORT_LANGUAGE": VALUES,
    "BOOKREPORT_JOBS": NUMBERS,
}
READERS = [["ingest", "--dry-run"], ["run-hour"], ["report"], ["check"], ["status"], ["rejects"], ["refresh"], ["verify"]]


@st.composite
def some_of(draw: st.DrawFn, kinds: dict[str, st.SearchStrategy[str]], most: int) -> dict[str, str]:
    names = draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=most, unique=True))
    return {name: draw(kinds[name]) for name in names}


DATABASES = (
    st.fixed_dictionaries(
        {"DATABASE_URL": urls(["postgresql", "postgres", "postgresql+psycopg", "mysql", "", SECRET], OPTIONS)}
    )
    | some_of(POSTGRES, 5).map(lambda some: {"DATABASE_URL": ""} | some)
    | some_of(LIBPQ, 4).map(lambda some: {"DATABASE_URL": "postgresql://127.0.0.1:1/shop"} | some)
)


@examples(120)
@given(arguments=st.sampled_from(READERS), changed=DATABASES)
@example(arguments=["report"], changed={"DATABASE_URL": f"postgresql://me:{SECRET}%00@127.0.0.1:1/shop"})
@example(arguments=["report"], changed={"DATABASE_URL": f"postgresql://me:a@{SECRET}@127.0.0.1:1/shop"})
def test_no_way_of_naming_the_database_is_unexpected(attempt: Try, arguments: list[str], changed: dict[str, str]) -> None:
    attempt([*arguments, "--json"], changed)


@examples(150)
@given(arguments=st.sampled_from(READERS), changed=some_of(OTHERS, 3))
@example(arguments=["ingest"], changed={"BOOKREPORT_HEADER": "user_id\nisbn10"})
@example(arguments=["ingest"], changed={"BOOKREPORT_JOBS": "9" * 5000})
def test_no_other_setting_is_unexpected(attempt: Try, arguments: list[str], changed: dict[str, str]) -> None:
    attempt([*arguments, "--json"], changed)


ENTRIES = st.sampled_from(
    [b"BOOKREPORT_SCHEMA=a\0b", b"S3_BUCKET=\xff", b"'A=B'=c", b"=", b"BOOKREPORT_HEADER='a\nb'", b"A", b'"']
) | st.binary(max_size=30)


@examples(40)
@given(content=st.lists(ENTRIES, max_size=4).map(b"\n".join))
@example(content=b"BOOKREPORT_HEADER=" + b"x" * 200_000)
def test_no_env_file_is_unexpected(attempt: Try, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings").write_bytes(content)
    attempt(["--env-file", str(tmp_path / "settings"), "ingest", "--json"])


COLUMNS = st.sampled_from(
    [b"user_id", b"isbn10", b"isbn", b"price", b"quantity", b"value", b"total", b"copies", b"extra", b"", b"#3", b"Unnamed: 0"]
)
ODD_NAMES = st.sampled_from(
    [b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1b[31m", b"\xe2\x80\xae", b'"', b'""', b'"a"b', b"\r", b"\\.", b"x" * 70_000, b"'"]
)
HEADERS = st.builds(
    lambda before, names, end: before + b",".join(names) + end,
    st.sampled_from([b"", b"\n\n", b" ", b"\xef\xbb\xbf"]),
    st.lists(COLUMNS | COLUMNS | ODD_NAMES | st.binary(max_size=8), max_size=12) | st.just([b"n%d" % n for n in range(2000)]),
    st.sampled_from([b"\n", b"\r\n", b"", b"\r", b"\n\n\n"]),
)


@examples(12)
@given(headers=st.lists(HEADERS, min_size=6, max_size=12))
def test_no_header_is_unexpected(
    all_commands: Commands, environment: dict[str, str], bookstore: Bookstore, tmp_path: Path, headers: list[bytes]
) -> None:
    bookstore.make_empty()
    for number, header in enumerate(headers):
        bookstore.fill(HOUR + number, header + b"ana,0306406152,1,9.99\n")
    ended = all_commands.start(["ingest", "--dry-run", "--json", "--all"], environment, tmp_path).end()
    assert ended.code in (0, 4), f"{headers} {ended}"
    assert "Traceback" not in ended.out + ended.err
    assert len(ended.json["hours"]) == len(headers)
    for hour in ended.json["hours"]:
        assert "unexpected" not in str(hour["error"]), f"{headers} {hour}"
