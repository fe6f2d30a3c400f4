"""bookreport's tables and the books view: made, upgraded, found again."""

import re
import shlex
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alembic.command
import alembic.config
import pytest

from bookreport import ledger, schema
from bookreport.database import Database
from bookreport.errors import BookreportError, Configuration
from bookreport.files import Source
from bookstore import BOOKS, ENGLISH, HOUR, Bookstore, csv_file, write_books
from connection import Sql, connected
from loading import Load
from truth import Purchase

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def fresh(empty_database_url: str) -> Iterator[Database]:
    """A database that holds nothing."""
    made = Database(empty_database_url)
    yield made
    made.close()


@pytest.fixture
def fresh_sql(empty_database_url: str) -> Iterator[Sql]:
    with connected(empty_database_url) as run:
        yield run


def test_migrating_again_changes_nothing(bookstore: Bookstore, load: Load, database: Database, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]))
    load(HOUR)
    relations = (
        "select relname, relkind::text, relnatts from pg_class where relnamespace = 'bookreport'::regnamespace order by 1, 2"
    )
    before = sql(relations)
    assert schema.migrate(database) == '"public"."books"'
    assert sql(relations) == before
    assert sql("select count(*) from purchases") == [(1,)]


def test_tables_of_an_older_revision_are_upgraded(fresh: Database, fresh_sql: Sql) -> None:
    write_books(fresh_sql, BOOKS)
    fresh_sql("create schema bookreport")
    config = alembic.config.Config()
    config.set_main_option("script_location", str(PROJECT / "migrations"))
    config.set_main_option("path_separator", "os")
    with fresh.transaction() as transaction:
        config.attributes["connection"] = transaction.connection
        alembic.command.upgrade(config, "0001")
    fresh_sql("insert into ledger (hour, status) values (%s, 'skipped')", HOUR.start)
    with pytest.raises(Configuration, match="revision 0001") as caught:
        schema.require(fresh)
    assert caught.value.hint == "run: bookreport migrate"
    schema.migrate(fresh)
    schema.require(fresh)
    assert fresh_sql("select version_num from alembic_version") == [(schema.newest_revision(),)]
    assert fresh_sql("select status from ledger") == [("skipped",)]


def test_an_upgrade_forgets_user_and_password_of_the_store(database: Database, sql: Sql) -> None:
    """Before revision 0006 the ledger kept S3_ENDPOINT_URL as it was."""
    address, login = "://store:9000/s3", "://me:hun@ter2@store:9000/s3"
    said = "S3 at http{} is unreachable: Could not connect to https{}; mailto:ops@example.com"
    sql("insert into source (endpoint, bucket, prefix) values (%s, 'bookstore', '')", f"http{login}")
    sql("insert into ledger (hour, status, last_error) values (%s, 'failed', %s)", HOUR.start, said.format(login, login))
    sql(
        "insert into loads (run_id, hour, outcome, started_at, seconds, error, version)"
        " values (gen_random_uuid(), %s, 'failed', now(), '{}', %s, '0')",
        HOUR.start,
        said.format(login, login),
    )
    sql("update alembic_version set version_num = '0005'")
    schema.migrate(database)
    assert sql("select endpoint from source") == [(f"http{address}",)]
    assert sql("select last_error from ledger union all select error from loads") == [(said.format(address, address),)] * 2
    with database.transaction() as transaction:
        ledger.require_source(transaction, Source(f"http{address}", "bookstore", ""))


def test_without_a_books_table_all_else_is_made_and_completed_later(fresh: Database, fresh_sql: Sql) -> None:
    with pytest.raises(Configuration, match="tables are ready, but no table") as caught:
        schema.migrate(fresh)
    assert "bookreport migrate" in str(caught.value.hint)
    assert fresh_sql("select count(*) from purchases") == [(0,)]
    with pytest.raises(Configuration, match="no books table"):
        schema.require(fresh)
    write_books(fresh_sql, BOOKS)
    assert schema.migrate(fresh) == '"public"."books"'
    schema.require(fresh)
    assert fresh_sql("select isbn10 from books order by 1") == [(code,) for code in sorted(str(book.isbn10) for book in BOOKS)]


def test_a_books_table_is_found_in_any_schema_on_the_search_path(fresh_sql: Sql, empty_database_url: str) -> None:
    fresh_sql('create schema "The Shop"')
    write_books(fresh_sql, BOOKS, '"The Shop"."Our Books"')
    fresh_sql("create schema elsewhere")
    write_books(fresh_sql, BOOKS, "elsewhere.books")
    fresh_sql("create table public.publishers (name text, language text)")
    fresh_sql(
        "do $$ begin execute format('alter database %I set search_path = public, \"The Shop\"', current_database()); end $$"
    )
    database = Database(empty_database_url)
    assert schema.migrate(database) == '"The Shop"."Our Books"'
    database.close()
    assert fresh_sql("select count(*) from books") == [(len(BOOKS),)]


def test_of_several_books_tables_one_must_be_chosen(fresh: Database, fresh_sql: Sql) -> None:
    write_books(fresh_sql, BOOKS)
    write_books(fresh_sql, BOOKS[:2], "public.books_2023")
    with pytest.raises(Configuration, match=r"public\.books, public\.books_2023") as caught:
        schema.migrate(fresh)
    assert "--books" in str(caught.value.hint)
    schema.migrate(fresh, "public.books_2023")
    assert fresh_sql("select count(*) from books") == [(2,)]
    assert schema.migrate(fresh) == '"public"."books_2023"'
    schema.migrate(fresh, "books")
    assert fresh_sql("select count(*) from books") == [(5,)]


def test_a_table_that_is_no_books_table_is_told(fresh: Database, fresh_sql: Sql) -> None:
    fresh_sql("create table public.orders (number int, isbn text)")
    with pytest.raises(Configuration, match=r"there is no table public\.absent"):
        schema.migrate(fresh, "public.absent")
    with pytest.raises(Configuration, match="no column named Format or Language; it has: number, isbn") as caught:
        schema.migrate(fresh, "public.orders")
    assert caught.value.hint == (
        "make a view that has them (with your name for YOUR_FORMAT and YOUR_LANGUAGE): create view public.books_for_reports as"
        ' select isbn as isbn10, "YOUR_FORMAT" as format, "YOUR_LANGUAGE" as language from public.orders;'
        " then run: bookreport migrate --books public.books_for_reports"
    )


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("public.titles", ("code", "binding", "lang", "Book Price")),
        ('"The Shop"."Our Books"', ("isbn", "Media Type", "language_code")),
        ("public.items", ("ean13", "edition", "mother tongue")),
        ("public.books", ("order", "isbn_13", "format", "slang", "price")),
    ],
)
def test_for_columns_of_other_names_there_is_a_view_to_be_pasted(
    fresh: Database, fresh_sql: Sql, table: str, columns: tuple[str, ...]
) -> None:
    fresh_sql('create schema "The Shop"')
    fresh_sql("create table public.aisles (code text, type text)")
    fresh_sql(f"create table {table} ({', '.join(f'{chr(34)}{name}{chr(34)} text' for name in columns)})")
    rows = {"isbn": ENGLISH, "lang": "Spanish", "tongue": "Spanish", "price": "7.50"}
    values = [next((value for word, value in rows.items() if word in name.lower()), "eBook") for name in columns]
    values = [ENGLISH if name in ("code", "ean13") else value for name, value in zip(columns, values, strict=True)]
    fresh_sql(f"insert into {table} values ({', '.join(['%s'] * len(columns))})", *values)
    with pytest.raises(Configuration) as caught:
        schema.migrate(fresh)
    view, named = re.findall("(create view .*); then run: bookreport migrate --books (.*)", str(caught.value.hint))[0]
    fresh_sql(view)
    assert schema.migrate(fresh, *shlex.split(named)).endswith('."books_for_reports"')
    price = 7.5 if any("rice" in name for name in columns) else None
    assert fresh_sql("select * from books") == [(ENGLISH, "eBook", "Spanish", price)]


def test_a_books_table_that_is_not_on_the_search_path_is_told(fresh: Database, fresh_sql: Sql) -> None:
    fresh_sql("create schema shelves")
    write_books(fresh_sql, BOOKS, "shelves.books")
    for books_table in (None, "public.books"):
        with pytest.raises(Configuration) as caught:
            schema.migrate(fresh, books_table)
        assert caught.value.hint == "name the books table, as in bookreport migrate --books shelves.books"


@pytest.mark.parametrize(
    "columns",
    [
        '"ISBN-10" text, "Format" text, "Language" text',
        "isbn10 varchar(10), format text, language text, title text",
        '"Isbn_10" bigint, "FORMAT" varchar, "language " text, unitprice numeric(12,2)',
        '"ISBN" text, "isbn" text, format text, language text, "Price" double precision',
        '"ISBN 10" text, "ISBN" int, format char(20), language text',
    ],
)
def test_a_books_table_is_known_by_its_columns_however_they_are_spelled(fresh: Database, fresh_sql: Sql, columns: str) -> None:
    fresh_sql(f"create table public.whatever ({columns})")
    assert schema.migrate(fresh) == '"public"."whatever"'
    assert fresh_sql("select * from books") == []


def test_a_price_of_the_catalogue_that_is_no_number_is_none(fresh: Database, fresh_sql: Sql) -> None:
    fresh_sql('create table public.books (isbn text, format text, language text, "Book Price" text)')
    schema.migrate(fresh)
    for number, price in enumerate(("12.50", " 7 ", "", "n/a", "-1", None, "1e3", "NaN")):
        fresh_sql("insert into public.books values (%s, 'eBook', 'English', %s)", str(number), price)
    found = [row[0] for row in fresh_sql("select price from books order by isbn10")]
    assert [None if price is None else float(price) for price in found] == [12.5, 7, None, None, None, None, None, None]


def test_a_books_view_that_was_changed_by_hand_is_left_alone(database: Database, sql: Sql) -> None:
    sql("""create or replace function books_rows() returns table (isbn10 text, format text, language text, price numeric)
        language sql stable as $$ select '0306406152', 'eBook', 'English', 5.00 $$""")
    schema.migrate(database)
    assert sql("select format, price from books") == [("eBook", 5)]
    schema.require(database)


def test_every_environment_has_a_schema_of_its_own(database: Database, database_url: str, sql: Sql) -> None:
    for name in ("staging", 'It\'s "odd" $$'):
        other = Database(database_url, name)
        with pytest.raises(Configuration, match="bookreport's tables are not in schema"):
            schema.require(other)
        schema.migrate(other)
        schema.require(other)
        other.close()
    schema.require(database)
    assert sql("select count(*) from pg_class where relname = 'ledger'") == [(3,)]


def test_migrations_at_once_wait_for_each_other(empty_database_url: str, fresh_sql: Sql) -> None:
    write_books(fresh_sql, BOOKS)
    databases = [Database(empty_database_url) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(schema.migrate, databases)) == ['"public"."books"'] * 3
    for database in databases:
        database.close()
    assert fresh_sql("select count(*) from alembic_version") == [(1,)]


def test_tables_that_are_newer_than_the_code_are_told(database: Database, sql: Sql) -> None:
    sql("update alembic_version set version_num = '9999'")
    with pytest.raises(Configuration, match="newer than this bookreport") as caught:
        schema.require(database)
    assert caught.value.hint == "upgrade bookreport"

    with pytest.raises(Configuration, match="newer than this bookreport"):
        schema.migrate(database)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (["create table bookreport.ledger (day date)", "create view bookreport.sales as select 1"], "ledger, sales"),
        (["create function bookreport.is_isbn(text) returns boolean return true"], "is_isbn"),
        (["create type bookreport.rejects as enum ('late')"], "rejects"),
        (["create table bookreport.alembic_version (version_num text)"], "alembic_version"),
        (
            [
                "create table bookreport.alembic_version as select '0001' as version_num",
                "create table bookreport.users (id bigint)",
            ],
            "alembic_version",
        ),
    ],
)
def test_nothing_is_made_among_somebody_elses_tables(fresh: Database, fresh_sql: Sql, made: list[str], told: str) -> None:
    write_books(fresh_sql, BOOKS)
    for statement in ["create schema bookreport", *made]:
        fresh_sql(statement)
    objects = "select relname, relnatts from pg_class union all select proname, pronargs from pg_proc order by 1, 2"
    before = fresh_sql(objects)
    with pytest.raises(Configuration) as caught:
        schema.migrate(fresh)
    assert caught.value.message == f"schema 'bookreport' has somebody else's {told}; nothing was changed"
    assert caught.value.hint == "set BOOKREPORT_SCHEMA to a schema of bookreport's own"
    assert fresh_sql(objects) == before
    with pytest.raises(Configuration) as caught:
        schema.require(fresh)
    assert caught.value.hint == "run: bookreport migrate"


def test_tables_of_other_names_are_no_trouble(fresh: Database, fresh_sql: Sql) -> None:
    write_books(fresh_sql, BOOKS)
    fresh_sql("create schema bookreport")
    fresh_sql("create table bookreport.notes (note text)")
    schema.migrate(fresh)
    assert fresh_sql("select * from notes") == []


def test_a_migration_that_fails_leaves_nothing(fresh: Database, fresh_sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bookreport.schema.query", lambda name: f"this is no SQL of {name}")
    with pytest.raises(BookreportError):
        schema.migrate(fresh)
    assert fresh_sql("select from pg_namespace where nspname = 'bookreport'") == []


def test_the_names_that_nobody_else_may_have_are_those_that_migrate_makes(database: Database, sql: Sql) -> None:
    with database.transaction(snapshot=True) as transaction:
        own = transaction.rows("schema/own", schema="bookreport")
    assert all(row.is_there for row in own)
    made = sql(
        "select relname from pg_class where relnamespace = 'bookreport'::regnamespace and relkind in ('r', 'p', 'v')"
        " and not relispartition union select proname from pg_proc where pronamespace = 'bookreport'::regnamespace"
    )
    assert {row.name for row in own} == {name for (name,) in made}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("drop table hour_sums, rejects", "hour_sums, rejects"),
        ("drop table alembic_version", "alembic_version"),
        ("delete from alembic_version", "the revision in alembic_version"),
        ("update alembic_version set version_num = 'ab12'", "the revision in alembic_version"),
    ],
)
def test_what_a_restore_has_left_out_is_told(database: Database, sql: Sql, statement: str, told: str) -> None:
    sql(statement)
    with pytest.raises(Configuration, match=f"has lost {told}, which can't be made anew") as caught:
        schema.migrate(database)
    assert "pg_dump --schema=bookreport" in str(caught.value.hint)


def test_the_view_of_the_purchases_is_made_anew(database: Database, sql: Sql) -> None:
    definition = "select pg_get_viewdef('purchases'::regclass), obj_description('purchases'::regclass)"
    before = sql(definition)
    sql("drop view purchases cascade")
    schema.migrate(database)
    assert sql(definition) == before
    assert sql("select count(*) from sales") == [(0,)]


def test_tables_that_are_not_there_are_told(fresh: Database) -> None:
    with pytest.raises(Configuration, match="not in schema 'bookreport'") as caught:
        schema.require(fresh)
    assert caught.value.hint == "run: bookreport migrate"


def test_an_editable_install_finds_the_migrations_beside_the_code() -> None:
    assert schema.migrations() == PROJECT / "migrations"


def test_migrate_tells_that_the_books_table_it_knows_is_gone(database: Database, sql: Sql) -> None:
    sql("alter table public.books rename to titles")
    with pytest.raises(Configuration, match=r"can't read the books from public\.books"):
        schema.migrate(database)
    assert schema.migrate(database, "public.titles") == '"public"."titles"'


def test_what_needs_no_books_works_while_they_are_written_anew(database: Database, sql: Sql) -> None:
    sql("drop table public.books")
    schema.require(database, books=False)
    with pytest.raises(Configuration):
        schema.require(database)


def test_a_role_that_may_not_upgrade_is_told_so(sql: Sql, as_role: Callable[..., Database]) -> None:
    sql("update alembic_version set version_num = '0004'")
    with pytest.raises(Configuration, match=r"denied|owner"):
        schema.migrate(as_role("grant select, update on all tables in schema bookreport to visitor"))
