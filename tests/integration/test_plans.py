"""What each statement has to do, counted from its plan and without a clock, whatever the planner's statistics say."""

import re
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bookreport import catalogue, days, purchases, schema, unusual
from bookreport.columns import Columns
from bookreport.database import Database, Transaction, query
from bookreport.hours import Hour, Span
from bookreport.rows import RowStream
from connection import Sql

OLDEST = Hour.parse("2024-05-01T00")
HOURS, ROWS, ISBNS = 4, 10_000, 2_500
"""Hours that are loaded, rows of each, and ISBNs that they are of."""

MULTIPLE = 5
"""How often a statement may touch each row, sum, reject and book that is there; those of today do so up to twice."""

READ = re.compile(
    r"\b(purchase_rows|purchases|hour_sums|group_sums|unmatched_sums|user_numbers|day_users|books|read_books|books_state|catalogue"
    r"|sales|rejects)\b"
)
NO_SQL = re.compile(r"--.*|'[^']*'")

NEWEST = OLDEST + (HOURS - 1)
SPAN = {"since": NEWEST.start, "until": (NEWEST + 1).start}
HOUR = {"hour": NEWEST.start}
DAY = {"since": OLDEST.start, "until": (OLDEST + 24).start}
BEFORE = {"before": (NEWEST + 1).start}
PATH = "/srv/reports/{hour}.json"
PATTERNS = {"is_number": True, "whole": "^1", "in_place": "^1", "anywhere": "1", "quoted": "'1'"}
PLANNED: dict[str, dict[str, Any]] = {
    "catalogue/delete_empty_groups": {},
    "catalogue/refresh": {},
    "catalogue/regroup": {},
    "catalogue/fingerprint": {},
    "catalogue/list_books": {},
    "catalogue/state": {"books": 1, "digest": 1},
    "check/books": {},
    "check/isbns_matched": {"newest": NEWEST.start},
    "days/delete_bits": DAY,
    "days/forget_users": {},
    "days/insert_bits": {"day": DAY["since"]},
    "days/make_bought": DAY,
    "days/number_users": {},
    "days/recount": DAY,
    "days/rows": {"since": [NEWEST.start], "until": [(NEWEST + 1).start], "spellings": ["Spanish", "spanish"]},
    "days/ungrouped": SPAN,
    "days/users": {"spellings": ["Spanish", "spanish"], "steps": [1], "days": [DAY["since"]]}
    | {"since": [NEWEST.start], "until": [(NEWEST + 1).start], "hours": [NEWEST.start], "hour_steps": [1]},
    "erase/mentions": PATTERNS,
    "erase/purchases": {"users": ["u1", "u2"]},
    "erase/rename_user": {"user": "u1", "other": "u"},
    "erase/rename": PATTERNS
    | {"user": "1", "other": "u", "hours": [NEWEST.start], "blanks": " "}
    | dict.fromkeys(("with_before", "with_quotes"), "u"),
    "health/accounts": SPAN,
    "health/regrouped": SPAN,
    "health/unmatched": SPAN,
    "hourly/files_touched": {
        "path": PATH,
        "hours": [(OLDEST + number).start for number in range(HOURS)],
        "file_times": [1] * HOURS,
    },
    "ledger/count_rejects": HOUR,
    "ledger/insert_reject": HOUR | {"key": "a.csv", "line_number": 2, "reason": "none", "raw": ""},
    "ledger/rejects": HOUR | {"limit": 100},
    "preview/isbns_matched": {"isbns": [f"{number:010}" for number in range(ISBNS)]},
    "prune/delete_all_rejects": SPAN,
    "prune/delete_rejects": SPAN,
    "prune/delete_rows": SPAN,
    "prune/delete_groups": SPAN,
    "prune/delete_sums": SPAN,
    "prune/delete_unmatched": SPAN,
    "prune/known": {"hours": [NEWEST.start]},
    "prune/rejects_with_text": BEFORE,
    "prune/remove_reject_text": BEFORE,
    "purchases/catalogue_has_prices": {},
    "purchases/delete_rejects": HOUR,
    "purchases/delete_rows": HOUR,
    "purchases/delete_sums": HOUR,
    "purchases/delete_groups": {"hours": [NEWEST.start]},
    "purchases/delete_unmatched": {"hours": [NEWEST.start]},
    "purchases/hour_total": HOUR,
    "purchases/insert_groups": HOUR,
    "purchases/insert_sums": HOUR,
    "purchases/make_incoming": {},
    "purchases/new_sums": HOUR,
    "purchases/priced_isbns": {},
    "reports/sales": SPAN,
    "reports/sales_by_step": SPAN | {"starts": [NEWEST.start]},
    "schema/books_readable": {},
}
"""The statements that read these tables, with the parameters of the newest hour."""

EXEMPT = {
    "roles/roles": "it names the books table to grant rights on it, and reads none of them",
    "schema/grant": "it names the tables to grant rights on them, and reads none of them",
    "schema/installed": "it asks whether the tables are there, and reads none of them",
}


def test_every_statement_that_reads_these_tables_is_planned_or_exempt() -> None:
    folder = Path(str(resources.files("bookreport").joinpath("sql")))
    statements = {file.relative_to(folder).with_suffix("").as_posix() for file in folder.rglob("*.sql")}
    reading = {name for name in statements if READ.search(NO_SQL.sub("", query(name)))}
    assert reading | EXEMPT.keys() == PLANNED.keys() | EXEMPT.keys()
    assert not PLANNED.keys() & EXEMPT.keys()
    assert statements >= EXEMPT.keys()


Fill = Callable[[int, int], None]


@pytest.fixture
def fill(sql: Sql, database: Database) -> Fill:
    """Fills an hour, its number counted from OLDEST, with so many rows: sums and ledger included, and a reject for ten rows."""

    def run(number: int, rows: int) -> None:
        hour = OLDEST + number
        with database.transaction() as transaction:
            purchases.ensure_month(transaction, hour)
        sql("alter table purchase_rows_2024_05 set (autovacuum_enabled = off)")
        sql(
            "insert into purchase_rows (hour, user_id, isbn10, quantity, unit_price)"
            " select %s, 'u' || n * 7919 %% 15013, lpad((n * 104729 %% %s)::text, 10, '0'), 1, 9.99"
            " from generate_series(1, %s) n",
            hour.start,
            ISBNS,
            rows,
        )
        sql(
            "insert into rejects (hour, key, line_number, reason, raw)"
            " select %s, 'a.csv', n, 'none', n::text from generate_series(1, %s) n",
            hour.start,
            rows // 10,
        )
        sql("insert into ledger (hour, status, rows_loaded) values (%s, 'loaded', %s)", hour.start, rows)
        sql("insert into reports_written values ('host', %s, %s, 'json', 'Spanish', 1, 1, '-infinity')", PATH, hour.start)
        with database.transaction() as transaction:
            purchases.add_up(transaction, hour)
            purchases.group(transaction, hour)

    of_days = ("group_sums", "unmatched_sums", "user_numbers", "built_days", "day_users")
    for table in ("hour_sums", *of_days, "rejects", "ledger", "ledger_files", "catalogue", "public.books"):
        sql(f"alter table {table} set (autovacuum_enabled = off)")
    return run


def write(sql: Sql, database: Database, first: int, last: int) -> None:
    """Write books of these numbers, and bring the catalogue up to date."""
    sql(
        'insert into public.books ("ISBN-10", "Format", "Language") select lpad(n::text, 10, \'0\'),'
        " (array['eBook', 'Paperback'])[n %% 2 + 1], (array['English', 'Spanish', 'French'])[n %% 3 + 1]"
        " from generate_series(%s, %s) n",
        first,
        last,
    )
    catalogue.refresh(database)


def unknown(sql: Sql, database: Database, fill: Fill, books: int) -> None:
    """Leave the tables as they are filled: nobody has analysed them yet."""
    write(sql, database, 1, books)
    for number in range(HOURS):
        fill(number, ROWS)


def surpassed(sql: Sql, database: Database, fill: Fill, books: int) -> None:
    """Put a new hour on top of what was analysed: the state of every hour from the second day on."""
    write(sql, database, 1, books)
    for number in range(HOURS - 1):
        fill(number, ROWS)
    sql("analyze")
    fill(HOURS - 1, ROWS)


def outgrown(sql: Sql, database: Database, fill: Fill, books: int) -> None:
    """Write ten times what was there when the tables were analysed."""
    write(sql, database, 1, books // 10)
    fill(0, HOURS * ROWS // 10)
    sql("analyze")
    write(sql, database, books // 10 + 1, books)
    for number in range(1, HOURS):
        fill(number, ROWS)


@pytest.mark.parametrize("books", [10, 10_000])
@pytest.mark.parametrize("state", [unknown, surpassed, outgrown])
def test_no_statement_does_more_than_in_proportion(
    sql: Sql, database: Database, fill: Fill, state: Callable[..., None], books: int
) -> None:
    state(sql, database, fill, books)
    # As if each book had changed since the files were written.
    sql("insert into catalogue_changes select isbn10, now() from catalogue on conflict do nothing")
    list(days.build(database, [Span(OLDEST, OLDEST + 24)]))
    tables = ("purchase_rows", "hour_sums", "unmatched_sums", "user_numbers", "rejects", "catalogue", "public.books")
    there = sum(sql(f"select count(*) from {table}")[0][0] for table in tables)
    done = {name: work_of(database, name) for name in PLANNED}
    assert {name: work for name, work in done.items() if work > MULTIPLE * there} == {}


def test_a_file_without_prices_costs_no_more_for_a_large_catalogue(
    sql: Sql, database: Database, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql('alter table public.books add "Price" numeric default 9.99')
    schema.migrate(database, "public.books")
    surpassed(sql, database, fill, 10_000)
    reading, rows = Columns().read(["user", "isbn"]), 100
    written: list[str] = []
    insert = Transaction.insert

    def write(transaction: Transaction, statement: str) -> None:
        written.append(statement)
        insert(transaction, statement)

    monkeypatch.setattr(Transaction, "insert", write)
    with database.transaction() as transaction:
        purchases.begin_hour(transaction, NEWEST)
        purchases.make_room(transaction, reading)
        purchases.copy_rows(transaction, reading, RowStream([b"ana,%010d\n" % number for number in range(1, rows + 1)]))
        assert written[-1].startswith("insert into purchase_rows")
        assert work_done(transaction, written[-1]) <= MULTIPLE * rows


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize("hours", [1, 24, 365 * 24])
def test_to_find_unusual_hours_takes_the_weeks_before_and_nothing_older(
    sql: Sql, database: Database, hours: int, analyzed: bool
) -> None:
    sql("alter table ledger set (autovacuum_enabled = off)")
    sql(
        "insert into ledger (hour, status) select %s - n * interval '1 hour', 'loaded' from generate_series(1, 87600) n",
        OLDEST.start,
    )
    if analyzed:
        sql("analyze ledger")
        sql(
            "insert into ledger (hour, status) select %s + n * interval '1 hour', 'loaded' from generate_series(0, 9999) n",
            OLDEST.start,
        )
    until = OLDEST + 10_000 * analyzed
    named = {name.lower(): getattr(unusual, name) for name in ("WEEKS", "LEAST_WEEKS", "LEAST_ROWS", "FAR")}
    with database.transaction() as transaction:
        span = {"since": (until + -hours).start, "until": until.start}
        done = work_done(transaction, query("unusual/hours"), **span, **named)
    compared, read = hours * unusual.WEEKS * 3, hours + unusual.WEEKS * 7 * 24
    assert compared < done <= MULTIPLE * (compared + read)


@pytest.mark.parametrize("analyzed", [False, True])
def test_the_history_takes_the_attempts_that_are_asked_for_and_none_of_the_years_before(
    sql: Sql, database: Database, analyzed: bool
) -> None:
    sql("alter table loads set (autovacuum_enabled = off)")
    attempts = (
        "insert into loads (run_id, hour, outcome, started_at, finished_at, version) select gen_random_uuid(),"
        " %s + n * interval '1 hour', 'loaded', now(), %s + n * interval '1 hour', '1' from generate_series({}, {}) n"
    )
    sql(attempts.format(1, 87_600), OLDEST.start, OLDEST.start)
    if analyzed:
        sql("analyze loads")
        sql(attempts.format(87_601, 90_000), OLDEST.start, OLDEST.start)
    newest = OLDEST + 90_000 if analyzed else OLDEST + 87_600
    a_day = {"hours": None, "since": (newest + -23).start, "until": None}
    three_hours = {"hours": [(OLDEST + number).start for number in (1, 1000, 87_000)], "since": None, "until": None}
    with database.transaction() as transaction:
        done = [work_done(transaction, query("history/attempts"), **asked, limit=1001) for asked in (a_day, three_hours)]
    # A day more is walked through for the day, in case the clock was set back.
    assert (24 < done[0] <= MULTIPLE * 48, 3 < done[1] <= MULTIPLE * 3) == (True, True), done


def list_books(transaction: Transaction) -> None:
    transaction.run("catalogue/make_listed")
    transaction.run("catalogue/make_regrouped")
    transaction.script("insert into listed select * from read_books()")


def regroup_all(transaction: Transaction) -> None:
    transaction.run("catalogue/make_regrouped")
    transaction.script("insert into regrouped select isbn10, true, format, language, true, 'Audio', 'Latin' from catalogue")


def ungroup(transaction: Transaction) -> None:
    transaction.run("purchases/delete_groups", hours=[NEWEST.start])
    transaction.run("purchases/delete_unmatched", hours=[NEWEST.start])


def sell(transaction: Transaction) -> None:
    transaction.run("days/make_bought", **DAY)
    transaction.run("days/delete_bits", **DAY)


def sell_to_others(transaction: Transaction) -> None:
    sell(transaction)
    transaction.script("update bought set user_id = user_id || '!'; delete from user_numbers where number % 2 = 0")


PREPARED: dict[str, Callable[[Transaction], object]] = {
    "catalogue/refresh": list_books,
    "catalogue/regroup": regroup_all,
    "days/insert_bits": sell,
    "days/number_users": sell_to_others,
    "purchases/insert_groups": ungroup,
    "reports/sales": ungroup,
    "reports/sales_by_step": ungroup,
    "purchases/insert_sums": lambda transaction: transaction.run("purchases/new_sums", **HOUR),
}
"""What makes the temporary tables that a statement reads."""


class RolledBack(Exception):
    """Ends a transaction so that nothing of it stays."""


def work_of(database: Database, name: str) -> int:
    """Return what `work_done` says of a statement of the newest hour; nothing of it stays."""
    found = 0
    try:
        with database.transaction() as transaction:
            if name in PREPARED:
                PREPARED[name](transaction)
            found = work_done(transaction, query(name), **PLANNED[name])
            raise RolledBack
    except RolledBack:
        return found


def work_done(transaction: Transaction, statement: str, **parameters: object) -> int:
    """Run a statement with the settings that the tool has, and return how many rows the nodes of its plan touch."""
    explain = text(f"explain (analyze, timing off, format json) {statement}")
    [plan] = transaction.connection.execute(explain, parameters).scalar_one()
    return work(plan["Plan"])


def work(node: dict[str, Any]) -> int:
    """Return what a node and those beneath it touch; a loop that finds nothing counts too."""
    removed = sum(value for key, value in node.items() if key.startswith("Rows Removed by"))
    own = round(node["Actual Loops"] * max(1, node["Actual Rows"] + removed))
    return int(own) + sum(map(work, node.get("Plans", ())))
