"""The catalogue follows the books, whatever happens to them, and every report sees one state."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import documents
import truth
from bookreport import catalogue, reports, schema
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database, Transaction
from bookreport.errors import Configuration, Locked
from bookreport.hours import Span
from bookreport.isbn import canonical_isbn
from bookreport.patience import Patience
from bookreport.present.report import report_json
from bookreport.preview import preview
from bookreport.rejects import RejectLimit
from bookstore import AUDIO, BOOKS, ENGLISH, FRENCH, HOUR, POCKET, SPANISH, UNKNOWN, Bookstore, csv_file, isbn, write_books
from connection import Sql, connected
from loading import Load, MakeRun
from truth import Book, Purchase

SOLD = [
    Purchase("ana", ENGLISH, 2, "5.50"),
    Purchase("ana", f"{SPANISH[0]}-{SPANISH[1:]}"),
    Purchase("bob", f"978{FRENCH[:9]}0"),
    Purchase("eva", UNKNOWN, 3),
    Purchase("zoe", POCKET),
]


def figures(database: Database, hours: int = 1) -> dict[str, Any]:
    return truth.figures(documents.fitting(report_json(reports.make_report(database, Span(HOUR, HOUR + hours)))))


def state(database: Database) -> catalogue.State:
    return catalogue.state(database)


def rows_as_written(sql: Sql) -> list[tuple[object, ...]]:
    """Every row of the catalogue and of its state with the transaction that wrote it."""
    return [*sql("select xmin::text, c from catalogue c order by 2"), *sql("select xmin::text, s from catalogue_state s")]


@pytest.mark.parametrize(
    "change",
    [
        "update public.books set \"Language\" = 'Basque' where \"ISBN-10\" = '{0}'",
        "update public.books set \"Format\" = 'Scroll' where \"ISBN-10\" = '{0}'",
        'update public.books set "Format" = null where "ISBN-10" = \'{0}\'',
        "update public.books set \"Format\" = '' where \"ISBN-10\" = '{0}'",
        "update public.books set \"ISBN-10\" = '{3}' where \"ISBN-10\" = '{0}'",
        # Two books swap a value: a sum of linear hashes would miss it.
        """update public.books set "Language" = case "ISBN-10" when '{0}' then 'Spanish' else 'English' end
            where "ISBN-10" in ('{0}', '{1}')""",
        # Two equal rows are added: a sum by exclusive or would miss it.
        "insert into public.books select n, '{3}', 'eBook', 'Spanish' from generate_series(1, 2) n",
        "insert into public.books values (7, '{2}', 'Audiobook', 'Latin')",
        "delete from public.books where \"ISBN-10\" = '{1}'",
        "delete from public.books",
    ],
)
def test_a_change_of_the_books_is_followed(bookstore: Bookstore, load: Load, database: Database, sql: Sql, change: str) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    assert figures(database) == truth.report(SOLD, BOOKS)
    sql(change.format(ENGLISH, SPANISH, FRENCH, UNKNOWN))
    assert not state(database).is_current
    books = [Book(*row) for row in sql('select "ISBN-10", "Format", "Language" from public.books')]
    assert figures(database) == truth.report(SOLD, books)
    assert state(database).is_current


def test_a_change_of_a_price_is_followed(database: Database, sql: Sql) -> None:
    sql('alter table public.books add "Price" numeric')
    schema.migrate(database, "public.books")
    for price in (5, None, 0, 7.25):
        sql('update public.books set "Price" = %s where "ISBN-10" = %s', price, ENGLISH)
        assert catalogue.refresh(database).changed == 1
        assert sql("select price from catalogue where isbn10 = %s", ENGLISH) == [(price,)]
    sql('update public.books set "Price" = 7.250 where "ISBN-10" = %s', ENGLISH)
    assert state(database).is_current


def test_a_books_table_that_is_dropped_and_written_anew_is_followed(
    bookstore: Bookstore, load: Load, database: Database, sql: Sql
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    write_books(sql, BOOKS)
    before = rows_as_written(sql)
    assert catalogue.refresh(database).added == 0
    assert rows_as_written(sql) == before
    books = [*BOOKS[2:], Book(UNKNOWN, "eBook", "Spanish"), Book(BOOKS[4].isbn10, "Audiobook", "Latin")]
    write_books(sql, books)
    assert figures(database) == truth.report(SOLD, books)


def test_books_that_are_a_view_are_followed(database: Database, sql: Sql) -> None:
    sql("create table public.titles as select \"ISBN-10\" as code, 'eBook' as kind, 'Latin' as tongue from public.books")
    sql("create view public.shelf as select code as isbn, kind as format, tongue as language from public.titles")
    schema.migrate(database, "public.shelf")
    assert state(database).languages == ("Latin",)
    sql("update public.titles set tongue = 'Greek' where code = %s", ENGLISH)
    assert catalogue.refresh(database).changed == 1
    assert sorted(state(database).languages) == ["Greek", "Latin"]


def test_books_that_are_a_foreign_table_are_followed(database: Database, sql: Sql, folder: Path) -> None:
    file = folder / "books.csv"
    file.write_text(f"isbn,format,language\n{ENGLISH},eBook,English\n{SPANISH},eBook,Spanish\n")
    sql("create extension file_fdw schema public")
    sql("create server files foreign data wrapper file_fdw")
    sql(
        "create foreign table public.shelf (isbn text, format text, language text)"
        f" server files options (filename '{file}', format 'csv', header 'true')"
    )
    schema.migrate(database, "public.shelf")
    assert sql("select isbn10, language from catalogue order by 2") == [(ENGLISH, "English"), (SPANISH, "Spanish")]
    file.write_text(f"isbn,format,language\n{ENGLISH},eBook,Latin\n{FRENCH},eBook,French\n")
    done = catalogue.refresh(database)
    assert (done.added, done.changed, done.removed) == (1, 1, 1)


def test_a_refresh_writes_what_differs_and_nothing_else(database: Database, sql: Sql) -> None:
    before = rows_as_written(sql)
    done = catalogue.refresh(database)
    assert (done.added, done.changed, done.removed) == (0, 0, 0)
    assert rows_as_written(sql) == before
    sql('update public.books set "Language" = \'Latin\' where "ISBN-10" = %s', ENGLISH)
    sql('delete from public.books where "ISBN-10" = %s', FRENCH)
    sql("insert into public.books values (9, %s, 'eBook', 'Basque')", UNKNOWN)
    newer = catalogue.refresh(database)
    assert (newer.added, newer.changed, newer.removed) == (1, 1, 1)
    assert newer.as_of > done.as_of
    kept = {row for row in rows_as_written(sql) if row in before}
    assert len(kept) == len(BOOKS) - 2


def test_of_refreshes_at_once_one_does_it(database: Database, sql: Sql) -> None:
    write_books(sql, [*BOOKS, *(Book(isbn(number), "eBook", "Latin") for number in range(1, 300))])
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: catalogue.refresh(database), range(4)))
    assert sorted(each.added for each in done) == [0, 0, 0, 299]
    assert len({each.as_of for each in done}) == 1


def test_a_refresh_waits_for_another_one_and_tells_when_it_takes_too_long(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookreport.database.LOCK_SECONDS", 1)
    sql("delete from public.books")
    with database.transaction() as transaction:
        transaction.lock("catalogue")
        with pytest.raises(Locked):
            catalogue.refresh(database)
    assert catalogue.refresh(database).removed == len(BOOKS)


def test_a_report_is_of_one_state_while_the_books_change(
    bookstore: Bookstore, load: Load, database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    rows = Transaction.rows

    def meanwhile(self: Transaction, name: str, /, **parameters: Any) -> Any:
        if name == "reports/sales":
            monkeypatch.setattr(Transaction, "rows", rows)
            sql("update public.books set \"Language\" = 'Spanish', \"Format\" = 'Scroll'")
            catalogue.refresh(database)
        return rows(self, name, **parameters)

    monkeypatch.setattr(Transaction, "rows", meanwhile)
    assert figures(database) == truth.report(SOLD, BOOKS)
    assert Transaction.rows is rows
    assert figures(database) == truth.report(SOLD, [Book(book.isbn10, "Scroll", "Spanish") for book in BOOKS])


def test_a_role_that_cannot_write_has_right_figures_or_is_told(
    bookstore: Bookstore, load: Load, database: Database, sql: Sql, as_role: Callable[..., Database]
) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    load(HOUR)
    reader = as_role("grant select on all tables in schema bookreport, public to visitor")
    assert reports.make_report(reader, Span.of_hour(HOUR)).catalogue.is_current
    as_of = state(database).as_of
    sql("update public.books set \"Language\" = 'Spanish'")
    made = reports.make_report(reader, Span.of_hour(HOUR))
    assert figures(reader) == truth.report(SOLD, BOOKS)
    assert (made.catalogue.is_current, made.catalogue.as_of) == (False, as_of)
    with pytest.raises(Configuration, match="may not update the catalogue") as caught:
        catalogue.refresh(reader)
    assert "Roles" in str(caught.value.hint)
    catalogue.refresh(database)
    assert figures(reader) == truth.report(SOLD, [Book(book.isbn10, book.format, "Spanish") for book in BOOKS])


def test_a_dry_run_leaves_the_catalogue_as_it_is(bookstore: Bookstore, bucket: Bucket, database: Database, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file(SOLD))
    sql("delete from public.books")
    before = rows_as_written(sql)
    preview(database, bucket, Columns(), [HOUR], reject_limit=RejectLimit.parse("0"))
    assert rows_as_written(sql) == before


def test_a_refresh_tells_what_it_changed(database: Database, sql: Sql, log: pytest.LogCaptureFixture) -> None:
    log.set_level(logging.INFO)
    catalogue.refresh(database)
    assert log.messages == []
    sql("delete from public.books")
    catalogue.refresh(database)
    assert log.messages == ["the books have changed; catalogue updated: 0 ISBNs added, 0 changed, 5 removed"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Book(ENGLISH, None, "a"), Book(ENGLISH, "", "a")),
        (Book(ENGLISH, "a", None), Book(ENGLISH, None, "a")),
        (Book(ENGLISH, "ab", "c"), Book(ENGLISH, "a", "bc")),
        (Book(None, "a", "b"), Book("", "a", "b")),
        (Book(ENGLISH, "=", None), Book(ENGLISH, None, "=")),
    ],
)
def test_books_that_differ_have_digests_that_differ(sql: Sql, one: Book, other: Book) -> None:
    digests = [sql("select book_digest(%s, %s, %s, null)", *vars(book).values()) for book in (one, other)]
    assert digests[0] != digests[1]


@pytest.mark.parametrize("price", [1, 0, "0.10"])
def test_a_price_is_part_of_the_digest(sql: Sql, price: object) -> None:
    assert sql("select book_digest('1', 'a', 'b', %s) = book_digest('1', 'a', 'b', null)", price) == [(False,)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("0123456789xX- \t\u2013a", max_size=18) | st.from_regex("978[0-9]{10}", fullmatch=True), max_size=30))
def test_an_isbn_is_canonical_by_the_short_way_as_by_the_long_one_and_in_python(sql: Sql, codes: list[str]) -> None:
    found = sql("select code, canonical_isbn(code), tidied_isbn(code) from unnest(%s::text[]) as code", codes)
    assert found == [(code, canonical_isbn(code), canonical_isbn(code)) for code in codes]


CODES = (ENGLISH, SPANISH, FRENCH, POCKET, AUDIO, UNKNOWN)
written = st.sampled_from([*CODES, f"978-{SPANISH[:9]}0", FRENCH.lower(), f" {POCKET}", UNKNOWN.lstrip("0"), "none at all"])
sales = st.lists(st.builds(Purchase, st.sampled_from(["ana", "bob", "eva"]), written, st.integers(1, 3)), max_size=5)
names = st.sampled_from([None, "", "eBook", "Spanish", " Spanish", "spanish", "Latin"])
shelves = st.lists(st.builds(Book, st.one_of(st.none(), written), names, names), max_size=6)
steps = st.one_of(
    st.tuples(st.just("load"), st.integers(0, 2), sales),
    st.tuples(st.just("replace"), shelves),
    st.tuples(st.just("update"), written, names),
    st.tuples(st.just("insert"), st.builds(Book, written, names, names)),
    st.tuples(st.just("delete"), written),
    st.tuples(st.just("report")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=8))
def test_whatever_is_loaded_and_changed_in_whatever_order_the_figures_are_what_plain_python_says(
    bookstore: Bookstore, load: Load, database: Database, sql: Sql, path: list[tuple[Any, ...]]
) -> None:
    sql("truncate ledger, ledger_files, loads, rejects, purchase_rows, hour_sums")
    write_books(sql, BOOKS)
    books, loaded = list(BOOKS), dict[int, list[Purchase]]()
    for kind, *values in [*path, ("report",)]:
        match kind:
            case "load":
                number, purchases = values
                bookstore.fill(HOUR + number, csv_file(purchases))
                assert load(HOUR + number, again=True).error is None
                loaded[number] = purchases
            case "replace":
                [books] = values
                write_books(sql, books)
            case "update":
                code, language = values
                sql('update public.books set "Language" = %s where "ISBN-10" = %s', language, code)
                books = [Book(book.isbn10, book.format, language) if book.isbn10 == code else book for book in books]
            case "insert":
                [book] = values
                sql("insert into public.books values (0, %s, %s, %s)", book.isbn10, book.format, book.language)
                books = [*books, book]
            case "delete":
                [code] = values
                sql('delete from public.books where "ISBN-10" = %s', code)
                books = [book for book in books if book.isbn10 != code]
            case "report" if loaded:
                everything = [purchase for purchases in loaded.values() for purchase in purchases]
                assert figures(database, 3) == truth.report(everything, books)


MIGRATIONS = Path(__file__).parents[2] / "migrations"


def test_a_database_of_version_0_1_is_upgraded_with_its_figures(
    empty_database_url: str, admin: Sql, request: pytest.FixtureRequest
) -> None:
    """A database as version 0.1 left it: the catalogue a view, sums without canonical ISBNs, a reader, somebody's view."""
    admin("create role old_reader")
    request.addfinalizer(lambda: admin("drop role old_reader"))
    sold = {0: [*SOLD, Purchase("ana", ENGLISH.lstrip("0"), 4)], 1: [Purchase("eva", f" {SPANISH}"), *SOLD], 2: []}
    books = [*BOOKS, Book(f"978-{ENGLISH[:9]}5", "Audiobook", "Basque"), Book(None, "eBook", "Latin")]
    sold[1] += [Purchase("zoe", "-"), Purchase("zoe", "N/A")]
    database = Database(empty_database_url)
    with connected(empty_database_url) as sql:
        write_books(sql, books)
        sql("create schema bookreport")
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        with database.transaction() as transaction:
            config.attributes["connection"] = transaction.connection
            alembic.command.upgrade(config, "0003")
        sql("""create or replace function books_rows() returns table (isbn10 text, format text, language text, price numeric)
            language sql stable as
            'select "ISBN-10", btrim("Format"), btrim("Language"), null::numeric from public.books'""")
        sql('comment on function books_rows() is \'"public"."books"\'')
        for number, purchases in sold.items():
            hour = (HOUR + number).start
            sql("select ensure_month(%s)", hour)
            sql("insert into ledger (hour, status, rows_loaded) values (%s, 'loaded', %s)", hour, len(purchases))
            for purchase in purchases:
                values = (hour, purchase.user_id, purchase.isbn10, purchase.quantity, purchase.unit_price)
                sql(
                    "insert into purchase_rows (hour, user_id, isbn10, quantity, unit_price) values (%s, %s, %s, %s, %s)",
                    *values,
                )
        sql("""insert into hour_sums (hour, isbn10, rows, books_sold, sale_value)
            select hour, isbn10, count(*), sum(quantity), sum(quantity * unit_price)
            from purchase_rows group by hour, isbn10""")
        sql("grant usage on schema bookreport to old_reader")
        sql("grant select on all tables in schema bookreport to old_reader")
        sql("grant select on public.books to old_reader")
        sql("create view public.boss as select language, sum(sale_value) as value from bookreport.sales group by language")
        sql("create view public.shelf as select isbn10, language from bookreport.catalogue")
        questions = (
            "select * from sales order by hour, user_id, isbn10, quantity",
            "select * from public.boss order by 1",
            "select * from catalogue order by 1",
            "select hour, isbn10, rows, books_sold, sale_value from hour_sums order by 1, 2",
            "select * from public.shelf order by 1",
        )
        before = [sql(question) for question in questions]
        schema.migrate(database)
        schema.require(database)
        assert [sql(question) for question in questions] == before
        assert {row[0]: row[1] for row in sql("select isbn10, canonical from hour_sums")} == {
            purchase.isbn10: truth.canonical_isbn(purchase.isbn10) or purchase.isbn10
            for purchases in sold.values()
            for purchase in purchases
        }
        for number, purchases in sold.items():
            document = report_json(reports.make_report(database, Span.of_hour(HOUR + number)))
            assert truth.figures(document) == truth.report(purchases, books)
        assert figures(database, 3) == truth.report([purchase for of in sold.values() for purchase in of], books)
        sql("set role old_reader")
        assert [sql(questions[number]) for number in (0, 2)] == [before[0], before[2]]
        assert sql("select count(*) from catalogue_state") == [(1,)]
        sql("reset role")
        sql("drop owned by old_reader")
        schema.migrate(database)
        assert [sql(question) for question in questions] == before
    database.close()


def test_what_is_no_isbn_stops_no_refresh(database: Database, sql: Sql) -> None:
    sql("insert into public.books values (9, repeat('x9', 5000), 'eBook', 'Basque')")
    assert catalogue.refresh(database).added == 0
    assert sql("select count(*) from catalogue") == [(len(BOOKS),)]


def test_books_that_change_during_a_wait_are_followed(
    bookstore: Bookstore, make_run: MakeRun, database: Database, sql: Sql
) -> None:
    sql('alter table public.books add "Price" numeric')
    schema.migrate(database, "public.books")
    run = make_run()
    waiting = run.await_hour(HOUR, Patience())
    sql('update public.books set "Price" = 3')
    bookstore.fill(HOUR, f"user_id,isbn10\nu1,{ENGLISH}\n".encode())
    assert [outcome.rows_loaded for outcome in waiting] == [1]
    assert sql("select unit_price from purchases") == [(3,)]


def test_books_that_change_before_a_run_are_followed(
    bookstore: Bookstore, make_run: MakeRun, database: Database, sql: Sql
) -> None:
    sql('alter table public.books add "Price" numeric default 2')
    schema.migrate(database, "public.books")
    sql('update public.books set "Price" = 3')
    bookstore.fill(HOUR, f"user_id,isbn10\nu1,{ENGLISH}\n".encode())
    run = make_run()
    assert [outcome.rows_loaded for outcome in run.load(run.choose())] == [1]
    assert sql("select unit_price from purchases") == [(3,)]
