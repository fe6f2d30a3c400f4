import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg2.extensions
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from bookreport.errors import Configuration
from bookreport.hours import EARLIEST
from bookreport.settings import Settings


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An env file adds to the process's environment; each test gets the original back."""
    monkeypatch.chdir(tmp_path)
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(Configuration) as caught:
        Settings({"MINIO_ROOT_USER": "me"}).require(bucket=True, database=True)
    for name in ("S3_BUCKET", "MINIO_ROOT_PASSWORD", "DATABASE_URL", "POSTGRES_HOST"):
        assert name in caught.value.message
    assert "--env-file" in str(caught.value.hint)


def test_only_what_a_command_needs_is_asked_for() -> None:
    Settings({}).require()
    Settings({"S3_BUCKET": "bookstore"}).require(bucket=True)
    Settings({"PGHOST": "db"}).require(database=True)
    Settings({"POSTGRES_PASSWORD": "secret"}).require(database=True)
    Settings({"DATABASE_URL": "postgresql://"}).require(database=True)


@pytest.mark.parametrize(
    ("in_environment", "place", "keys", "of_database"),
    [
        (
            {},
            "S3_BUCKET and S3_ENDPOINT_URL from {file}",
            "MINIO_ROOT_USER and MINIO_ROOT_PASSWORD from {file}",
            "POSTGRES_HOST (not set), POSTGRES_DB and POSTGRES_PASSWORD from {file}",
        ),
        (
            {"S3_BUCKET": "b", "MINIO_ROOT_PASSWORD": "x", "DATABASE_URL": "postgresql://me:x@db/shop", "PGPASSWORD": "y"},
            "S3_BUCKET from the environment, S3_ENDPOINT_URL from {file}",
            "MINIO_ROOT_USER from {file}, MINIO_ROOT_PASSWORD from the environment",
            "DATABASE_URL from the environment",
        ),
        (
            {"S3_ENDPOINT_URL": "", "MINIO_ROOT_USER": "", "MINIO_ROOT_PASSWORD": " ", "AWS_PROFILE": "shop"}
            | {"POSTGRES_DB": "", "POSTGRES_PASSWORD": "", "PGHOST": "db", "PGUSER": "me", "PGPASSWORD": "y"},
            "S3_BUCKET from {file}, S3_ENDPOINT_URL (not set)",
            "AWS's own credential chain (AWS_PROFILE from the environment)",
            "PGHOST, PGUSER and PGPASSWORD from the environment",
        ),
    ],
)
def test_for_hints_each_setting_is_told_with_where_it_is_from(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    in_environment: dict[str, str],
    place: str,
    keys: str,
    of_database: str,
) -> None:
    file = tmp_path / "shop.env"
    file.write_text(
        "S3_BUCKET=books\nS3_ENDPOINT_URL=http://s3:9000\nMINIO_ROOT_USER=me\nMINIO_ROOT_PASSWORD=secret-a\n"
        "POSTGRES_DB=shop\nPOSTGRES_PASSWORD=secret-b\n"
    )
    for name, value in in_environment.items():
        monkeypatch.setenv(name, value)
    settings = Settings.load(file)
    told = [settings.bucket.place, settings.bucket.keys, settings.of_database]
    assert told == [text.format(file=file) for text in (place, keys, of_database)]


def test_a_blank_setting_is_a_missing_one() -> None:
    with pytest.raises(Configuration, match="S3_BUCKET"):
        Settings({"S3_BUCKET": "  "}).require(bucket=True)


def test_the_defaults_are_those_of_the_design() -> None:
    settings = Settings({"S3_BUCKET": "bookstore"})
    bucket = settings.bucket
    assert (bucket.bucket, bucket.prefix, bucket.marker, bucket.ignore) == ("bookstore", "", "FULL", ())
    assert (bucket.endpoint_url, bucket.access_key, bucket.secret_key) == (None, None, None)
    assert (settings.schema, settings.columns, settings.header) == ("bookreport", None, None)
    assert settings.lookback == timedelta(days=7)
    assert settings.earliest == EARLIEST


@pytest.mark.parametrize("prefix", ["shop/online", "/shop/online", "shop/online/", "/shop/online/"])
def test_the_prefix_may_be_written_with_slashes_or_without(prefix: str) -> None:
    assert Settings({"S3_PREFIX": prefix}).bucket.prefix == "shop/online/"


def test_patterns_to_ignore_are_separated_by_commas() -> None:
    assert Settings({"BOOKREPORT_IGNORE": "*.zst, *.tmp,,"}).bucket.ignore == ("*.zst", "*.tmp")


def test_the_database_url_wins_over_postgres_settings_and_these_over_libpq() -> None:
    libpq = {"PGHOST": "libpq"}
    postgres = {"POSTGRES_HOST": "db", "POSTGRES_DB": "shop"}
    url = {"DATABASE_URL": "postgres://one/two"}
    assert Settings(libpq | postgres | url).database_url == "postgres://one/two"
    assert Settings(libpq | postgres).database_url == "postgresql://postgres@db/shop"
    assert Settings(libpq).database_url == "postgresql://"


def test_a_password_alone_means_the_local_server() -> None:
    assert Settings({"POSTGRES_PASSWORD": "secret"}).database_url == "postgresql://postgres:secret@localhost/"


@given(st.text(st.characters(min_codepoint=33, exclude_categories=("C", "Z")), min_size=1))
def test_a_password_of_any_characters_reaches_the_server_as_it_is(password: str) -> None:
    url = make_url(Settings({"POSTGRES_HOST": "db", "POSTGRES_USER": "a@b:c/d", "POSTGRES_PASSWORD": password}).database_url)
    assert (url.username, url.password, url.host) == ("a@b:c/d", password, "db")


def test_a_socket_folder_may_stand_for_the_host() -> None:
    settings = Settings({"POSTGRES_HOST": "/var/run/postgresql", "POSTGRES_PORT": "5433", "POSTGRES_DB": "shop"})
    dsn = psycopg2.extensions.parse_dsn(settings.database_url)
    assert (dsn["host"], dsn["port"], dsn["dbname"], dsn["user"]) == ("/var/run/postgresql", "5433", "shop", "postgres")


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("S3_BUCKET=of-the-file\nBOOKREPORT_SCHEMA=staging\n")
    monkeypatch.setenv("S3_BUCKET", "of-the-environment")
    settings = Settings.load()
    assert (settings.bucket.bucket, settings.schema) == ("of-the-environment", "staging")


def test_the_file_that_is_named_wins_over_the_one_that_is_found(tmp_path: Path) -> None:
    Path(".env").write_text("S3_BUCKET=found\nBOOKREPORT_SCHEMA=found\n")
    (tmp_path / "named").write_text("S3_BUCKET=named\n")
    settings = Settings.load(tmp_path / "named")
    assert (settings.bucket.bucket, settings.schema) == ("named", "bookreport")


def test_nothing_in_the_env_file_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    Path(".env").write_text("MINIO_ROOT_PASSWORD=a$HOME${HOME}b\n")
    assert Settings.load().bucket.secret_key == "a$HOME${HOME}b"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ab #cd", "ab"),
        ("ab#cd", "ab#cd"),
        ("'ab #cd'", "ab #cd"),
        (r"a\nb", r"a\nb"),
        (r"'a\nb$c\"'", r"a\nb$c\""),
        (r"'it\'s'", "it's"),
        (r"'a\\b'", r"a\b"),
    ],
)
def test_a_value_of_the_env_file_is_read_as_the_readme_says(written: str, read: str) -> None:
    Path(".env").write_text(f"MINIO_ROOT_PASSWORD={written}\n")
    assert Settings.load().bucket.secret_key == read


def test_libpq_and_botocore_see_the_env_file_too() -> None:
    Path(".env").write_text("PGHOST=db\nAWS_PROFILE=shop\n")
    Settings.load()
    assert (os.environ["PGHOST"], os.environ["AWS_PROFILE"]) == ("db", "shop")


def test_a_named_env_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Configuration, match="absent"):
        Settings.load(tmp_path / "absent")


def test_without_any_env_file_the_environment_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_BUCKET", "bookstore")
    assert Settings.load().bucket.bucket == "bookstore"


@pytest.mark.parametrize("text", ["7", "week", "-1d", "0d", "90m"])
def test_a_look_back_that_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(Configuration, match="BOOKREPORT_LOOKBACK"):
        _ = Settings({"BOOKREPORT_LOOKBACK": text}).lookback


@pytest.mark.parametrize("jobs", ["0", "-1", "two", "²", "1.5"])
def test_what_is_no_number_of_jobs_is_refused(jobs: str) -> None:
    with pytest.raises(Configuration, match="BOOKREPORT_JOBS"):
        _ = Settings({"BOOKREPORT_JOBS": jobs}).jobs


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1e3"])
@pytest.mark.parametrize("name", ["BOOKREPORT_JOBS", "BOOKREPORT_FIRST_YEAR"])
def test_a_number_of_any_length_is_refused_by_name(name: str, number: str) -> None:
    settings = Settings({name: number})
    with pytest.raises(Configuration, match=name):
        _ = settings.jobs, settings.earliest


SHARED = "ä" * 31


@pytest.mark.parametrize(
    "name", ["", " ", SHARED + "ab", "a" * 64, "pg_shop", "PG_shop", "public", "Public", "$user", "information_schema"]
)
def test_a_schema_that_would_be_another_ones_is_refused(name: str) -> None:
    with pytest.raises(Configuration, match="BOOKREPORT_SCHEMA") as caught:
        Settings({"DATABASE_URL": "postgresql://", "BOOKREPORT_SCHEMA": name}).require(database=True)
    assert "leave it unset" in str(caught.value.hint)


def test_a_schema_of_63_bytes_and_any_characters_is_taken_as_it_is() -> None:
    for name in (SHARED + "a", "a" * 63, "pgshop", 'Shop "2", staging', "$users"):
        assert Settings({"BOOKREPORT_SCHEMA": name}).schema == name
    assert Settings({}).schema == "bookreport"


CONTROLS = ["two\nlines", "a\0b", "a\x1bb", "a\x7fb", "a\x9bb"]


@pytest.mark.parametrize("value", [*CONTROLS, os.fsdecode(b"caf\xe9")])
@pytest.mark.parametrize(
    "name", ["BOOKREPORT_SCHEMA", "BOOKREPORT_HEADER", "S3_BUCKET", "DATABASE_URL", "PGHOST", "AWS_SESSION_TOKEN"]
)
def test_a_setting_that_is_no_line_of_text_is_refused_without_showing_it(name: str, value: str) -> None:
    with pytest.raises(Configuration, match=name) as caught:
        Settings({name: value}).require_text()
    assert value not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize("name", ["MINIO_ROOT_USER", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_key_that_no_header_can_hold_is_refused(name: str) -> None:
    with pytest.raises(Configuration, match=f"{name} has a character that is not ASCII"):
        Settings({name: "schlüssel"}).require_text()


def test_what_other_programs_keep_in_the_environment_may_be_anything() -> None:
    Settings(dict.fromkeys(["LS_COLORS", "AWS_OF_SOMEBODY", "TERMCAP"], CONTROLS[0])).require_text()
    Settings({"BOOKREPORT_LANGUAGE": "Español\n", "MINIO_ROOT_PASSWORD": "schlüssel"}).require_text()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9000",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:99999",
        "http://ho st",
        "http://[::1",
        "http://h/?a",
    ],
)
def test_what_is_no_url_of_a_store_is_refused(url: str) -> None:
    with pytest.raises(Configuration, match="S3_ENDPOINT_URL is not"):
        Settings({"S3_BUCKET": "bookstore", "S3_ENDPOINT_URL": url}).require(bucket=True)


@pytest.mark.parametrize("login", ["key:hunter2", "key", "key:hun@ter2", "key:hun/ter2"])
def test_an_endpoint_with_a_user_or_a_password_is_refused_without_showing_them(login: str) -> None:
    with pytest.raises(Configuration, match="contains a user or a password") as caught:
        Settings({"S3_BUCKET": "bookstore", "S3_ENDPOINT_URL": f"http://{login}@127.0.0.1:9000"}).require(bucket=True)
    assert "hun" not in caught.value.message + str(caught.value.hint)


@pytest.mark.parametrize(
    "settings",
    [
        {"POSTGRES_HOST": "db?sslmode=disable"},
        {"POSTGRES_HOST": "somebody@db"},
        {"POSTGRES_HOST": "db/shop"},
        {"POSTGRES_HOST": "db", "POSTGRES_PORT": "x"},
        {"POSTGRES_HOST": "db", "POSTGRES_PORT": "0"},
        {"POSTGRES_HOST": "db", "POSTGRES_PORT": "5432/shop"},
    ],
)
def test_a_host_or_a_port_that_would_change_the_url_is_refused_by_name(settings: dict[str, str]) -> None:
    with pytest.raises(Configuration, match=list(settings)[-1]):
        Settings(settings).require(database=True)


def test_the_address_of_a_host_may_be_ipv6() -> None:
    for host in ("::1", "[::1]"):
        url = make_url(Settings({"POSTGRES_HOST": host, "POSTGRES_PORT": "5433"}).database_url)
        assert (url.host, url.port) == ("::1", 5433)


def test_every_password_key_and_token_is_known_for_a_secret() -> None:
    names = ("POSTGRES_PASSWORD", "PGPASSWORD", "MINIO_ROOT_PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    given = {name: f"secret of {name}" for name in names}
    given |= {
        "DATABASE_URL": "postgresql://me:one@two%40@db/shop?sslpassword=three%2B",
        "S3_ENDPOINT_URL": "http://key:four@store",
        "https_proxy": "http://me:five@proxy",
        "POSTGRES_USER": "me",
    }
    assert Settings(given).secrets == {*(given[name] for name in names), "one@two%40", "three+", "four", "five"}


@pytest.mark.parametrize("content", ["A=a\0b\n", "A\0=b\n", "'A=B'=c\n"])
def test_an_env_file_with_what_no_environment_can_hold_is_refused(content: str) -> None:
    Path(".env").write_text(content)
    with pytest.raises(Configuration, match="the env file"):
        Settings.load()


def test_an_env_file_without_an_end_is_refused() -> None:
    with pytest.raises(Configuration, match="the env file /dev/zero is longer"):
        Settings.load(Path("/dev/zero"))


def test_a_look_back_longer_than_history_is_refused() -> None:
    with pytest.raises(Configuration, match="BOOKREPORT_LOOKBACK"):
        _ = Settings({"BOOKREPORT_LOOKBACK": "999999d"}).lookback
