"""Old rows go; what is known of their hours stays, and reports say so."""

import re
from collections.abc import Callable
from decimal import Decimal

import pytest

import documents
from bookreport import prune, reports
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.errors import BadData, NotReady
from bookreport.health import verify
from bookreport.hours import Hour, Span
from bookreport.messages import MOST
from bookreport.present import words
from bookreport.present.report import report_json, report_table
from bookstore import ENGLISH, SPANISH, Bookstore, csv_file
from connection import Sql
from loading import Load, MakeRun
from truth import Purchase

APRIL, MAY = Hour.parse("2024-04-30T23"), Hour.parse("2024-05-01T00")
SALES = [Purchase("u1", ENGLISH, 2), Purchase("u2", SPANISH, 1, "4.50")]
FILE = csv_file(SALES) + b"someone@example.com,0306406152,none,1.00\n"


@pytest.fixture
def loaded(bookstore: Bookstore, load: Load) -> Bookstore:
    """One hour in April and three in May, with a reject each."""
    for hour in (APRIL, MAY, MAY + 1, MAY + 2):
        bookstore.fill(hour, FILE)
        assert load(hour, reject_limit="1").outcome == "loaded"
    return bookstore


@pytest.fixture
def pruned(database: Database, loaded: Bookstore) -> Callable[..., list[prune.PrunedMonth]]:
    assert loaded

    def run(before: Hour, *, keep_sums: bool = False) -> list[prune.PrunedMonth]:
        months = prune.prunable(database, before, keep_sums=keep_sums)
        for month in months:
            prune.prune(database, month, keep_sums=keep_sums)
        return months

    return run


def hours_of(sql: Sql, table: str) -> list[Hour]:
    return [Hour(hour) for (hour,) in sql(f"select distinct hour from {table} order by hour")]


def test_whole_months_are_dropped_and_the_rest_of_a_month_is_deleted(pruned: Callable[..., object], sql: Sql) -> None:
    pruned(MAY + 2)
    for table in ("purchase_rows", "hour_sums", "rejects"):
        assert hours_of(sql, table) == [MAY + 2]
    tables = sql("select relname from pg_class where relname like 'purchase_rows_20%' and relkind = 'r' order by relname")
    assert tables == [("purchase_rows_2024_05",)]
    assert sql("select status, count(*), sum(rows_loaded) from ledger group by status order by status") == [
        ("loaded", 1, 2),
        ("pruned", 3, 6),
    ]
    assert hours_of(sql, "ledger_files") == [APRIL, MAY, MAY + 1, MAY + 2]


def test_what_would_go_is_told_before(database: Database, loaded: Bookstore, sql: Sql) -> None:
    assert loaded
    months = prune.prunable(database, MAY + 2, keep_sums=False)
    assert [(month.whole, month.hours, month.rows) for month in months] == [(True, 1, 2), (False, 2, 4)]
    assert [month.span.until for month in months] == [MAY, MAY + 2]
    assert sql("select count(*) from ledger where status = 'loaded'") == [(4,)]
    assert prune.prunable(database, APRIL, keep_sums=False) == []


def test_a_pruned_hour_is_not_loaded_by_itself_and_is_no_difference(
    pruned: Callable[..., object], make_run: MakeRun, database: Database, bucket: Bucket
) -> None:
    pruned(MAY + 1)
    assert make_run().pending(everything=True) == []
    found = verify(database, bucket)
    assert (found.hours, found.differences) == (2, ())


def test_a_pruned_hour_that_is_named_is_loaded_again(pruned: Callable[..., object], load: Load, sql: Sql) -> None:
    pruned(MAY + 1, keep_sums=True)
    assert load(APRIL, again=True, reject_limit="1").outcome == "loaded"
    assert sql("select status, sums_kept from ledger where hour = %s", APRIL.start) == [("loaded", False)]
    assert sql("select sum(rows) from hour_sums where hour = %s", APRIL.start) == [(2,)]


def test_a_pruned_hour_stays_pruned_when_loading_it_fails(
    pruned: Callable[..., object], loaded: Bookstore, load: Load, sql: Sql
) -> None:
    pruned(MAY)
    loaded.fill(APRIL, b"who,what\n")
    assert load(APRIL, again=True).outcome == "failed"
    assert sql("select status from ledger where hour = %s", APRIL.start) == [("pruned",)]


def test_a_report_tells_pruned_hours_and_counts_none_of_their_sales(pruned: Callable[..., object], database: Database) -> None:
    pruned(MAY + 1)
    made = reports.make_report(database, Span(APRIL, MAY + 3))
    assert (made.missing, made.pruned, made.sums_kept) == ((APRIL, MAY), (APRIL, MAY), ())
    assert (made.books_sold, made.sale_value) == (2 * 3, 2 * Decimal("24.50"))
    with pytest.raises(NotReady):
        reports.make_report(database, Span(APRIL, MAY + 1))


def test_with_kept_sums_a_report_has_their_sales_and_not_their_users(pruned: Callable[..., object], database: Database) -> None:
    pruned(MAY + 1, keep_sums=True)
    made = reports.make_report(database, Span(APRIL, MAY + 1))
    assert (made.missing, made.sums_kept) == ((APRIL, MAY), (APRIL, MAY))
    assert (made.books_sold, made.sale_value) == (2 * 3, 2 * Decimal("24.50"))
    assert (made.buyers[0].users, made.buyers[0].percent) == (0, None)
    document = documents.read(words.as_json(report_json(made)))
    assert document["coverage"]["pruned"] == [APRIL.instant, MAY.instant]
    assert document["coverage"]["complete"] is False
    assert "Sales: 2 of 2 hours; users: 0 of 2 (2 were pruned, their sums kept)\n" in report_table(made)
    assert "Pruned, their sums kept: 2024-04-30T23 to 2024-05-01T01\n" in report_table(made)


def test_kept_sums_can_be_pruned_later(pruned: Callable[..., list[prune.PrunedMonth]], sql: Sql) -> None:
    pruned(MAY + 1, keep_sums=True)
    assert pruned(MAY + 1, keep_sums=True) == []
    assert [month.hours for month in pruned(MAY + 1)] == [1, 1]
    assert hours_of(sql, "hour_sums") == [MAY + 1, MAY + 2]
    assert sql("select count(*) from ledger where sums_kept") == [(0,)]


ADDRESS = "eva@example.com"
NAMING = f"ana,{ENGLISH},{ADDRESS},1.00\nbob,{ENGLISH},2,it's {ADDRESS}\n".encode()


def test_nothing_of_a_person_stays_in_reasons_and_errors(
    database: Database, bookstore: Bookstore, load: Load, sql: Sql, bucket: Bucket
) -> None:
    tables = ("rejects", "loads", "ledger")
    naming = csv_file(SALES) + NAMING
    for hour, limit in ((MAY, "2"), (MAY + 1, "0"), (MAY + 2, "0")):
        bookstore.fill(hour, naming)
        assert load(hour, reject_limit=limit).outcome == ("loaded" if limit == "2" else "failed")
    # A reload that fails leaves its error beside the loaded hour.
    assert load(MAY, again=True).outcome == "failed"

    def naming_hours(table: str) -> list[Hour]:
        found = sql(f"select distinct hour from {table} t where t::text like %s order by hour", f"%{ADDRESS}%")
        return [Hour(hour) for (hour,) in found]

    assert [naming_hours(table) for table in tables] == [[MAY, MAY + 1, MAY + 2]] * 3
    prune.remove_reject_text(database, MAY + 2)
    assert [naming_hours(table) for table in tables] == [[MAY + 2]] * 3
    assert sql("select reason, count(*) from rejects where hour < %s group by reason order by reason", (MAY + 2).start) == [
        ("quantity … is not a whole number", 2),
        ("unit_price … is not a number", 2),
    ]
    [(error,)] = sql("select last_error from ledger where hour = %s", (MAY + 1).start)
    assert error.startswith("2 of 4 records are bad, more than the limit of 0: purchases-1.csv line 4: quantity …")
    # An error that was cut may lack its last quote.
    cut = BadData(f"{'x' * (MOST - 12)}: '{ADDRESS}' is no number").message
    assert re.search("'eva@[^']*…$", cut)
    for table, column in (("ledger", "last_error"), ("loads", "error")):
        sql(f"update {table} set {column} = %s where hour = %s", cut, MAY.start)
    prune.remove_reject_text(database, MAY + 2)
    assert sql("select count(*) from ledger where last_error like '%%eva%%' and hour < %s", (MAY + 2).start) == [(0,)]
    assert sql("select count(*) from loads where error like '%%eva%%' and hour < %s", (MAY + 2).start) == [(0,)]
    before = [sql(f"select t::text from {table} t order by 1") for table in tables]
    prune.remove_reject_text(database, MAY + 2)
    assert [sql(f"select t::text from {table} t order by 1") for table in tables] == before
    assert verify(database, bucket).differences == ()


def test_the_text_of_old_rejects_goes_and_their_count_stays(
    database: Database, loaded: Bookstore, sql: Sql, bucket: Bucket
) -> None:
    assert loaded
    assert prune.rejects_with_text(database, MAY + 1) == 2
    prune.remove_reject_text(database, MAY + 1)
    assert prune.rejects_with_text(database, MAY + 1) == 0
    assert [bool(raw) for (raw,) in sql("select raw from rejects order by hour")] == [False, False, True, True]
    assert sql("select count(*) from rejects where reason like 'quantity%%' and line_number = 4") == [(4,)]
    assert verify(database, bucket).differences == ()
