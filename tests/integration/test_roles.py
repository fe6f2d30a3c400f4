"""Each role can do what its duty takes, and nothing else; whoever owns the books can do nothing with another role's rights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import pytest

import documents
import truth
from bookreport import catalogue, check, days, examples, reports, roles, schema
from bookreport.bucket import Bucket
from bookreport.columns import Columns
from bookreport.database import Database
from bookreport.errors import Configuration, Usage
from bookreport.hours import Hour, Span
from bookreport.present.report import report_json
from bookreport.rejects import RejectLimit
from bookreport.run import Run
from bookstore import BOOKS, ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql, connected
from truth import Book, Purchase

ROLES = roles.Roles("shop_owner", "shop_loader", "shop_reader", "shop_books")
SOLD = [Purchase("ana", ENGLISH, 2, "5.50"), Purchase("bob", SPANISH), Purchase("eva", ENGLISH)]
BAD = b"ned,%s,1,free\n" % ENGLISH.encode()


@dataclass
class Shop:
    """A database of a company with roles of its own; `url` is that of its superuser."""

    url: str
    sql: Sql
    opened: list[Database] = field(default_factory=list)

    def as_(self, role: str) -> Database:
        self.opened.append(Database(self.url_of(role)))
        return self.opened[-1]

    def url_of(self, role: str) -> str:
        return self.url.replace("postgres:@", f"{role}:@", 1)


@pytest.fixture
def shop(empty_database_url: str, admin: Sql) -> Iterator[Shop]:
    created = (ROLES.owner, ROLES.loader, ROLES.reader, "shop_stranger")
    for role in created:
        admin(f"create role {role} login")
    with connected(empty_database_url) as sql:
        made = Shop(empty_database_url, sql)
        sql("create schema shelves authorization shop_stranger")
        sql("alter database " + sql("select current_database()")[0][0] + " set search_path = public, shelves")
        write_books(sql, BOOKS)
        sql("alter table public.books set schema shelves")
        sql("alter table shelves.books owner to shop_stranger")
        yield made
        for database in made.opened:
            database.close()
        for role in (*created, ROLES.books):
            if sql("select 1 from pg_roles where rolname = %s", role):
                sql(f"drop owned by {role} cascade")
    for role in (ROLES.books, *created):
        admin(f"drop role if exists {role}")


def settle(shop: Shop, books_table: str = "shelves.books") -> None:
    shop.sql(roles.script(ROLES, "bookreport", books_table))


def loaded(database: Database, bucket: Bucket, *hours: Hour, again: bool = False) -> list[tuple[str, str | None]]:
    run = Run(database, bucket, Columns(), reject_limit=RejectLimit.parse("1"))
    catalogue.refresh(database)
    outcomes = list(run.load_hours(hours, again=hours if again else ()))
    return [(outcome.outcome, outcome.error.message if outcome.error else None) for outcome in outcomes]


def figures(database: Database, hours: int = 1) -> dict[str, Any]:
    return truth.figures(documents.fitting(report_json(reports.make_report(database, Span(HOUR, HOUR + hours)))))


@pytest.fixture(params=["before", "after", "both"])
def settled(request: pytest.FixtureRequest, shop: Shop, bookstore: Bookstore, bucket: Bucket) -> Shop:
    """The roles are made before the first migrate, after a time in which one role did everything, or both."""
    bookstore.fill(HOUR, csv_file(SOLD) + BAD)
    if request.param != "after":
        settle(shop)
        schema.migrate(shop.as_(ROLES.owner))
    if request.param == "after":
        one = shop.as_("postgres")
        schema.migrate(one, "shelves.books")
    if request.param != "before":
        settle(shop)
        schema.migrate(shop.as_(ROLES.owner))
    assert loaded(shop.as_(ROLES.loader), bucket, HOUR) == [("loaded", None)]
    return shop


def test_the_loader_loads_and_the_reader_reports(settled: Shop, bookstore: Bookstore, bucket: Bucket) -> None:
    loader, reader = settled.as_(ROLES.loader), settled.as_(ROLES.reader)
    assert figures(reader) == figures(loader) == truth.report(SOLD, BOOKS)
    # Another month, the day that it closes, a reload, books that have changed.
    bookstore.fill(HOUR.next_month, csv_file(SOLD))
    assert loaded(loader, bucket, HOUR.next_month) == [("loaded", None)]
    assert len(list(days.build(loader, days.missing(loader)))) == 1
    assert figures(reader) == figures(loader) == truth.report(SOLD, BOOKS)
    bookstore.fill(HOUR, csv_file(SOLD[1:]))
    assert loaded(loader, bucket, HOUR, again=True) == [("reloaded", None)]
    settled.sql("update shelves.books set \"Language\" = 'Spanish'")
    books = [Book(book.isbn10, book.format, "Spanish") for book in BOOKS]
    assert figures(loader) == figures(reader) == truth.report(SOLD[1:], books)


def test_the_reader_may_run_each_query_of_the_examples(shop: Shop, bookstore: Bookstore, bucket: Bucket) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    hour = Hour.last() + -30
    bookstore.fill(hour, csv_file([*SOLD, Purchase("ned", UNKNOWN, 7)]))
    assert loaded(shop.as_(ROLES.loader), bucket, hour) == [("loaded", None)]
    settings, *queries = examples.text("sql").split("\n\n")
    with connected(shop.url_of(ROLES.reader)) as sql:
        sql(settings)
        days, formats, titles, unknown, lacking = map(sql, queries)
    sold = {book: sum(each.books for each in SOLD if each.isbn10 == book) for book in (ENGLISH, SPANISH)}
    (day,) = days
    assert (day[0], day[1], day[3]) == (hour.start.date(), sum(sold.values()) + 7, 4)
    assert len(formats) in {0, 3}  # of the last month, if the hour was in it
    assert [(row[0], row[3]) for row in titles] == sorted(sold.items(), key=lambda item: -item[1])
    assert [row[:2] for row in unknown] == [(UNKNOWN, 7)]
    assert hour.start not in {row[0] for row in lacking}
    assert {row[1] for row in lacking} == {"never tried"}


def test_check_finds_that_the_loader_has_what_it_needs(settled: Shop, bucket: Bucket) -> None:
    found = {each.name: each for each in check.check(settled.as_(ROLES.loader), bucket, "Spanish")}
    assert [name for name, each in found.items() if not each.ok] == []
    found = {each.name: each for each in check.check(settled.as_(ROLES.reader), bucket, "Spanish")}
    assert "rights" in {name for name, each in found.items() if not each.ok}


def test_each_privilege_that_a_load_needs_is_looked_for_and_each_is_needed(shop: Shop, bucket: Bucket) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    loader = shop.as_(ROLES.loader)
    for name, privilege in shop.sql("select name, privilege from loader_rights where name <> 'loader_rights'"):
        shop.sql(f"revoke {privilege} on {name} from {ROLES.loader}")
        found = {each.name: each for each in check.check(loader, bucket, "Spanish")}
        told = "schema" if name == "alembic_version" else "rights"
        assert not found[told].ok, (name, privilege)
        shop.sql(f"grant {privilege} on {name} to {ROLES.loader}")
    assert all(each.ok for each in check.check(loader, bucket, "Spanish") if each.name != "freshness")


FORBIDDEN = {
    ROLES.loader: [
        "drop table purchase_rows",
        "drop view sales",
        "alter table ledger add spare text",
        "truncate purchase_rows",
        "delete from loads",
        "update loads set error = null",
        "update purchase_rows set quantity = 1",
        "create table bookreport.spare (n integer)",
        "create function bookreport.spare() returns void language sql as ''",
        "alter function ensure_month(timestamptz) owner to shop_loader",
        'comment on schema bookreport is \'{"loader": "shop_reader"}\'',
        "select * from shelves.books",
        "set role shop_owner",
        "set role shop_books",
        "alter role shop_reader superuser",
        "copy purchase_rows from program 'true'",
    ],
    ROLES.reader: [
        "select raw from rejects",
        "select * from rejects",
        "select bucket from source",
        "select * from source",
        "insert into ledger (hour, status) values (now(), 'failed')",
        "delete from purchase_rows",
        "update catalogue set language = null",
        "select from locks for update",
        "select ensure_month(now())",
        "select summarise_month(now())",
        "create table bookreport.spare (n integer)",
        "select * from shelves.books",
        "select * from books",
        "set role shop_loader",
    ],
    ROLES.books: [
        "select * from bookreport.purchases",
        "select * from bookreport.ledger",
        "select * from bookreport.catalogue",
        "select bookreport.ensure_month(now())",
        'update shelves.books set "Language" = null',
        "create table bookreport.spare (n integer)",
    ],
}


@pytest.mark.parametrize("role", FORBIDDEN)
def test_a_role_cannot_do_what_its_duty_does_not_take(shop: Shop, role: str) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    shop.sql(f"alter role {ROLES.books} login")

    def is_refused(statement: str) -> bool:
        with connected(shop.url_of(role)) as sql:
            try:
                sql(statement)
            except psycopg2.errors.InsufficientPrivilege:
                return True
        return False

    assert [statement for statement in FORBIDDEN[role] if not is_refused(statement)] == []


@pytest.mark.parametrize("role", [ROLES.loader, ROLES.reader])
def test_a_role_cannot_grant_what_it_was_granted(shop: Shop, role: str) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    with connected(shop.url_of(role)) as sql:
        # Postgres only warns that nothing was granted.
        sql("grant select on purchases, ledger to shop_stranger")
    assert shop.sql(
        "select has_table_privilege('shop_stranger', name, 'select') from unnest('{purchases,ledger}'::text[]) name"
    ) == [
        (False,),
        (False,),
    ]


def test_a_role_with_more_than_its_duty_is_refused_and_nothing_changes(shop: Shop) -> None:
    shop.sql("grant shop_owner to shop_reader")
    with pytest.raises(psycopg2.errors.RaiseException, match="shop_reader is a superuser or a member of shop_owner"):
        settle(shop)
    shop.sql("rollback")
    shop.sql("revoke shop_owner from shop_reader")
    assert shop.sql("select count(*) from pg_namespace where nspname = 'bookreport'") == [(0,)]
    with pytest.raises(Usage, match="two duties"):
        roles.Roles("a", "b", "a", "c")


def test_who_holds_a_lock_is_told_as_far_as_the_role_may_see_it(shop: Shop) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    with shop.as_("postgres").transaction() as transaction:
        transaction.lock("an hour")
        pid = transaction.raw.get_backend_pid()
        with shop.as_(ROLES.loader).transaction() as waiting:
            assert waiting.lock_holders() == [f"role postgres, pid {pid} (bookreport an hour)"]


def test_a_role_that_lost_its_duty_has_none_of_its_rights(shop: Shop, bookstore: Bookstore, bucket: Bucket) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    swapped = roles.Roles(ROLES.owner, ROLES.reader, ROLES.loader, ROLES.books)
    shop.sql(roles.script(swapped, "bookreport", "shelves.books"))
    schema.migrate(shop.as_(ROLES.owner))
    bookstore.fill(HOUR, csv_file(SOLD))
    assert loaded(shop.as_(ROLES.reader), bucket, HOUR) == [("loaded", None)]
    assert figures(shop.as_(ROLES.loader)) == truth.report(SOLD, BOOKS)
    another = roles.Roles(ROLES.owner, ROLES.reader, "shop_stranger", ROLES.books)
    shop.sql(roles.script(another, "bookreport", "shelves.books"))
    schema.migrate(shop.as_(ROLES.owner))
    with connected(shop.url_of(ROLES.loader)) as sql, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        sql("select from bookreport.purchases")
    # Nor of tables that are made later.
    assert ROLES.loader not in str(
        shop.sql("select defaclacl from pg_default_acl where defaclnamespace = 'bookreport'::regnamespace")
    )


def test_a_superuser_who_runs_the_sql_runs_nothing_of_the_owners_nor_of_whoever_may_create_in_public(shop: Shop) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    shop.sql("create schema other; grant create on schema public to shop_stranger")
    springs = "language plpgsql as $$ begin execute 'alter role shop_stranger superuser'; return {}; end $$"
    shop.sql(
        f"create function public.format(text, name) returns text {springs.format('pg_catalog.format($1, variadic array[$2])')}"
    )
    shop.sql(f"create function bookreport.unnest(text[]) returns setof text {springs.format('')}")
    shop.sql("create table bookreport.roles (duty text, role_name name)")
    shop.sql(f"create function bookreport.spring() returns trigger {springs.format('new')}")
    shop.sql("create trigger spring before insert on bookreport.roles for each row execute function bookreport.spring()")
    shop.sql("comment on function books_rows() is 'pg_catalog.pg_authid'")
    shop.sql(roles.script(ROLES, "bookreport", "shelves.books"))
    assert shop.sql("select rolname from pg_roles where rolsuper and rolname ^@ 'shop_'") == []
    assert shop.sql("select has_table_privilege('shop_books', 'pg_authid', 'select')") == [(False,)]


@pytest.mark.parametrize("path", ["public, shelves", "shelves, pg_catalog"])
def test_who_may_create_on_the_owners_search_path_gets_no_rights_from_a_migration(shop: Shop, path: str) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    shop.sql(f"alter role {ROLES.owner} set search_path = {path}")
    shop.sql("""set role shop_stranger;
        create table shelves.caught (who name);
        grant insert on shelves.caught to public;
        create function shelves.spring() returns void language plpgsql as
        $$ begin insert into shelves.caught values (current_user); exception when others then null; end $$;
        create function shelves.hashtextextended(text, integer) returns bigint language plpgsql as
        $$ begin perform shelves.spring(); return 1; end $$;
        create function shelves.same(oid, regclass) returns boolean language plpgsql as
        $$ begin perform shelves.spring(), set_config('search_path', 'shelves, pg_catalog', false); return true; end $$;
        create operator shelves.= (leftarg = oid, rightarg = regclass, function = shelves.same);
        create function shelves.set_config(text, text, boolean) returns text language plpgsql as
        $$ begin perform shelves.spring(); return pg_catalog.set_config($1, $2, $3); end $$;
        grant usage on schema shelves to public; grant execute on all functions in schema shelves to public;
        reset role""")
    schema.migrate(shop.as_(ROLES.owner), "shelves.books")
    assert shop.sql("select who from shelves.caught") == []


def test_the_loader_runs_nothing_of_its_own_with_the_owners_rights(shop: Shop) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    shop.sql("create schema trap; create table trap.caught (who name); grant insert on trap.caught to public")
    shop.sql("""grant usage on schema trap to public;
        create function trap.date_trunc(text, timestamp) returns timestamp language plpgsql as
        $$ begin insert into trap.caught values (current_user); return pg_catalog.date_trunc($1, $2); end $$;
        create function trap.to_regclass(text) returns regclass language plpgsql as
        $$ begin insert into trap.caught values (current_user); return pg_catalog.to_regclass($1); end $$""")
    with connected(shop.url_of(ROLES.loader)) as sql:
        sql("set search_path = trap, bookreport, pg_catalog")
        sql("select bookreport.ensure_month('2031-01-01Z'), bookreport.summarise_month('2031-01-01Z')")
    assert shop.sql("select who from trap.caught") == []
    assert shop.sql("select count(*) from pg_class where relname = 'purchase_rows_2031_01'") == [(1,)]


def test_rights_that_somebody_gave_by_hand_are_taken_back(shop: Shop) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    shop.sql(f"grant all on all tables in schema bookreport to {ROLES.reader}")
    shop.sql("grant select on rejects to public")
    schema.migrate(shop.as_(ROLES.owner))
    with connected(shop.url_of(ROLES.reader)) as sql, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        sql("select raw from rejects")


# What whoever owns the books can do: the books become a view over a function that writes down who ran it, wherever it may
# write, changes where names are found, and puts functions there that do the same.
TRAP = """
create schema trap authorization shop_stranger;
set role shop_stranger;
grant usage on schema trap to public;
create table trap.caught (who name, what text);
grant insert on trap.caught to public;
create function trap.note(what text) returns boolean language plpgsql volatile as $$ begin
    begin
        insert into trap.caught values (current_user, what);
        delete from bookreport.purchase_rows;
        grant all on bookreport.ledger to public;
    exception when others then null;
    end;
    begin
        perform set_config('role', 'none', false);
        delete from bookreport.purchase_rows;
    exception when others then null;
    end;
    perform set_config('search_path', 'trap, bookreport, pg_catalog', false);
    return true;
end $$;
create function trap.spring(what text) returns text language plpgsql as
$$ begin raise 'caught % as %', what, current_user; end $$;
create function trap.is_isbn(text) returns boolean language sql as $$ select trap.spring('is_isbn') is null $$;
create function trap.translate(text, text, text) returns text language sql as $$ select trap.spring('translate') $$;
create function trap.btrim(text, text) returns text language sql as $$ select trap.spring('btrim') $$;
create function trap.has_table_privilege(text, text) returns boolean language sql as
$$ select trap.spring('has_table_privilege') is null $$;
grant execute on all functions in schema trap to public;
alter table shelves.books rename to titles;
create view shelves.books as
select "ISBN-10", "Format", "Language" from shelves.titles where trap.note('books');
grant select on shelves.books to public;
grant usage on schema shelves to public;
reset role;
"""


def commands_of(database: Database, bucket: Bucket, bookstore: Bookstore) -> None:
    """Do what reads the books, each as the command does it."""
    assert [each.message for each in check.check(database, bucket, "Spanish") if not each.ok] == []
    bookstore.fill(HOUR + 1, csv_file(SOLD))
    assert loaded(database, bucket, HOUR + 1) == [("loaded", None)]
    reports.make_report(database, Span(HOUR, HOUR + 2))
    schema.require(database)


@pytest.mark.parametrize("volatility", ["volatile", "immutable"])
def test_who_owns_the_books_cannot_write_with_the_rights_of_who_reads_them(
    settled: Shop, bookstore: Bookstore, bucket: Bucket, volatility: str
) -> None:
    settled.sql(TRAP)
    settled.sql(f"alter function trap.note(text) {volatility}")
    # What is not canonical yet is looked at by a function that finds its names while it runs.
    settled.sql("insert into shelves.titles values (9, '978-0-14-044913-6', 'eBook', 'Greek')")
    settled.sql("insert into shelves.titles values (9, '0-8044-2957-x', 'eBook', 'Greek')")
    commands_of(settled.as_(ROLES.loader), bucket, bookstore)
    schema.migrate(settled.as_(ROLES.owner))
    assert settled.sql("select * from trap.caught") == []
    assert settled.sql("select count(*) from purchase_rows") == [(2 * len(SOLD),)]
    assert settled.sql("select has_table_privilege('shop_stranger', 'ledger', 'select')") == [(False,)]
    assert figures(settled.as_(ROLES.reader), 2) == truth.report(SOLD * 2, [*BOOKS, Book("0140449132", "eBook", "Greek")])


def test_without_a_role_of_their_own_the_books_are_read_where_nothing_can_be_written(
    shop: Shop, bookstore: Bookstore, bucket: Bucket
) -> None:
    shop.sql("create schema bookreport authorization shop_loader")
    shop.sql("grant usage on schema shelves to shop_loader")
    shop.sql("grant select on shelves.books to shop_loader")
    one = shop.as_(ROLES.loader)
    schema.migrate(one)
    bookstore.fill(HOUR, csv_file(SOLD))
    assert loaded(one, bucket, HOUR) == [("loaded", None)]
    shop.sql(TRAP)
    commands_of(one, bucket, bookstore)
    schema.migrate(one)
    assert shop.sql("select * from trap.caught") == []
    assert shop.sql("select count(*) from purchase_rows") == [(2 * len(SOLD),)]
    assert shop.sql("select has_table_privilege('shop_stranger', 'ledger', 'select')") == [(False,)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("create view shelves.shelf as select * from shelves.books", "a view"),
        ("create materialized view shelves.shelf as select * from shelves.books", "a materialized view"),
        ("alter table shelves.books enable row level security", "a table with row-level security"),
        (
            "create type shelves.tongue as (name text); alter table shelves.books add t shelves.tongue",
            "a table with row-level security or types of its own",
        ),
    ],
)
def test_books_that_can_run_code_of_their_owners_are_told(
    shop: Shop, bucket: Bucket, warnings: Callable[[], list[str]], change: str, told: str
) -> None:
    shop.sql(f"set role shop_stranger; {change}; reset role")
    table = "shelves.shelf" if "shelf" in change else "shelves.books"
    schema.migrate(shop.as_("postgres"), table)
    expected = f"the books are {told}"
    assert [line for line in warnings() if expected in line and "rights of postgres" in line]
    found = next(each for each in check.check(shop.as_("postgres"), bucket, "Spanish") if each.name == "books")
    assert expected in found.message
    settle(shop, table)
    schema.migrate(shop.as_(ROLES.owner))
    assert schema.foreign_code(shop.as_(ROLES.owner)) is None


def test_a_plain_table_is_not_warned_of(shop: Shop, warnings: Callable[[], list[str]]) -> None:
    schema.migrate(shop.as_("postgres"), "shelves.books")
    assert warnings() == []


def test_books_that_are_hidden_from_the_role_are_no_success(shop: Shop, bookstore: Bookstore, bucket: Bucket) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    loader = shop.as_(ROLES.loader)
    bookstore.fill(HOUR, csv_file(SOLD))
    assert loaded(loader, bucket, HOUR) == [("loaded", None)]
    shop.sql("alter table shelves.books enable row level security")
    found = next(each for each in check.check(loader, bucket, "Spanish") if each.name == "books")
    assert isinstance(found.error, Configuration)
    assert "no book of shelves.books has a valid ISBN" in found.message
    assert "row-level security" in (found.hint or "")


@pytest.mark.parametrize(("known", "ok"), [(1, False), (2, True)])
def test_a_day_most_of_whose_isbns_match_no_book_is_told(
    shop: Shop, bookstore: Bookstore, bucket: Bucket, known: int, ok: bool
) -> None:
    settle(shop)
    schema.migrate(shop.as_(ROLES.owner))
    loader = shop.as_(ROLES.loader)
    codes = [*[ENGLISH, SPANISH][:known], "1111111112", "2222222220"]
    bookstore.fill(HOUR, csv_file([Purchase("ana", code) for code in codes]))
    assert loaded(loader, bucket, HOUR) == [("loaded", None)]
    found = next(each for each in check.check(loader, bucket, "Spanish") if each.name == "books")
    assert found.ok == ok
    # Books that are new are not in the catalogue yet; the next run looks at them.
    for code in codes[-2:]:
        shop.sql("insert into shelves.books values (9, %s, 'eBook', 'Latin')", code)
    found_now = next(each for each in check.check(loader, bucket, "Spanish") if each.name == "books")
    assert found_now.ok
    assert "the next run will update it" in found_now.message
    assert ok or f"only {known} of the {known + 2} ISBNs sold" in found.message
