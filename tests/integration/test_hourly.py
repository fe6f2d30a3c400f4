"""Each hour's file is what would be written now, whatever was loaded, changed or removed since, and by whom."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import truth
from bookreport import catalogue, hourly, prune, reports, schema
from bookreport.database import Database
from bookreport.errors import Configuration, Interrupted
from bookreport.hourly import Files
from bookreport.hours import Hour, Span
from bookreport.output import Output
from bookreport.present import words
from bookreport.present.report import report_json
from bookreport.reports import Report
from bookstore import AUDIO, BOOKS, ENGLISH, FRENCH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file, isbn, write_books
from connection import Sql, connected
from loading import Load
from truth import Book, Purchase, figures

OLD = HOUR + -24 * 400
SOLD = {OLD: [ENGLISH, SPANISH], HOUR: [ENGLISH, UNKNOWN], HOUR + 1: [FRENCH], HOUR + 2: []}


def printed(made: Report) -> str:
    return words.as_json(report_json(made))


@pytest.fixture
def output(tmp_path: Path) -> Output:
    (tmp_path / "reports").mkdir()
    return Output(tmp_path / "reports" / "{hour}.json")


def path_of(output: Output, hour: Hour) -> Path:
    path = output.of(hour).path
    assert path is not None
    return path


@pytest.fixture
def behind(database: Database, output: Output) -> Callable[[], list[Hour]]:
    return lambda: hourly.behind(database, Files(output, "json", "Spanish"))


@pytest.fixture
def catch_up(database: Database, output: Output, behind: Callable[[], list[Hour]]) -> Callable[[], list[Hour]]:
    """Writes the files that are behind; returns their hours in the order of writing."""
    return lambda: [made.span.since for made in hourly.write(database, Files(output, "json", "Spanish"), behind(), printed)]


@pytest.fixture
def loaded(bookstore: Bookstore, load: Load) -> Bookstore:
    """Four loaded hours, one of them more than a year old."""
    for hour, codes in SOLD.items():
        bookstore.fill(hour, csv_file([Purchase(f"user of {code}", code) for code in codes]))
        assert load(hour).outcome == "loaded"
    return bookstore


def see_files(output: Output, database: Database, hours: list[Hour]) -> None:
    """Each file says what a report says now; there are no other files."""
    assert output.path is not None
    folder = output.path.parent
    assert sorted(file.name for file in folder.iterdir()) == sorted(f"{hour}.json" for hour in hours)
    for hour in hours:
        told = json.loads((folder / f"{hour}.json").read_text())
        now = report_json(reports.make_report(database, Span.of_hour(hour)))
        assert figures(told) == figures(now)


@pytest.mark.usefixtures("loaded")
def test_every_loaded_hour_has_a_file_however_old_and_the_newest_is_written_first(
    catch_up: Callable[[], list[Hour]], database: Database, output: Output
) -> None:
    assert catch_up() == sorted(SOLD, reverse=True)
    see_files(output, database, list(SOLD))
    assert catch_up() == []


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("change", "hours"),
    [
        (f"update public.books set \"Language\" = 'Latin' where \"ISBN-10\" = '{ENGLISH}'", [HOUR, OLD]),
        (f'update public.books set "Format" = null where "ISBN-10" = \'{SPANISH}\'', [OLD]),
        (f"delete from public.books where \"ISBN-10\" = '{FRENCH}'", [HOUR + 1]),
        (f"insert into public.books (\"ISBN-10\") values ('978-{UNKNOWN[:9]}0')", [HOUR]),
        (f"update public.books set \"Language\" = 'Latin' where \"ISBN-10\" = '{AUDIO}'", []),
        ("update public.books set \"Language\" = 'Latin' where \"Language\" = 'Spanish'", sorted(SOLD, reverse=True)),
        ('drop table public.books; create table public.books ("ISBN-10" text, "Format" text, "Language" text)', None),
    ],
)
def test_a_change_of_the_catalogue_is_written_where_it_was_sold_and_looked_for_once(
    catch_up: Callable[[], list[Hour]], database: Database, output: Output, sql: Sql, change: str, hours: list[Hour] | None
) -> None:
    catch_up()
    sql(change)
    assert catch_up() == (sorted(SOLD, reverse=True) if hours is None else hours)
    see_files(output, database, list(SOLD))
    assert sql("select count(distinct catalogue_as_of) from reports_written") == [(1,)]
    assert catch_up() == []
    sql('insert into public.books ("ISBN-10") values (%s)', isbn(7))
    catalogue.refresh(database)
    # Filling an empty catalogue changes no single book.
    assert sql("select count(*) from catalogue_changes") == [(1 if hours is not None else 0,)]


@pytest.mark.usefixtures("loaded")
def test_a_price_is_no_change_of_a_report(catch_up: Callable[[], list[Hour]], database: Database, sql: Sql) -> None:
    sql('alter table public.books add "Price" numeric default 9.99')
    schema.migrate(database, "public.books")
    catch_up()
    sql('update public.books set "Price" = 1')
    assert catalogue.refresh(database).changed == len(BOOKS)
    assert catch_up() == []


def test_a_file_that_is_gone_or_another_or_of_another_load_or_format_is_written_again(
    loaded: Bookstore, load: Load, catch_up: Callable[[], list[Hour]], database: Database, output: Output
) -> None:
    catch_up()
    path_of(output, OLD).unlink()
    os.utime(path_of(output, HOUR), (0, 0))
    loaded.fill(HOUR + 1, csv_file([Purchase("eva", ENGLISH, 5)]))
    assert load(HOUR + 1, again=True).outcome == "reloaded"
    assert catch_up() == [HOUR + 1, HOUR, OLD]
    see_files(output, database, list(SOLD))
    assert hourly.behind(database, Files(output, "table", "Spanish")) == sorted(SOLD, reverse=True)
    assert hourly.behind(database, Files(output, "json", "French")) == sorted(SOLD, reverse=True)


@pytest.mark.usefixtures("loaded")
def test_the_file_of_a_pruned_hour_stays_as_it_is(
    load: Load, catch_up: Callable[[], list[Hour]], database: Database, output: Output, sql: Sql
) -> None:
    catch_up()
    file = path_of(output, OLD)
    before = file.read_bytes()
    prune.prune(database, prune.PrunedMonth(Span(OLD, OLD + 1), whole=False, hours=1, rows=2), keep_sums=True)
    sql("update public.books set \"Language\" = 'Latin'")
    assert catch_up() == [HOUR + 2, HOUR + 1, HOUR]
    assert file.read_bytes() == before
    file.unlink()
    assert catch_up() == []
    assert load(OLD, again=True).error is None
    assert catch_up() == [OLD]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("is_first", [True, False])
def test_a_catalogue_that_changes_between_a_report_and_its_record_is_not_lost(
    catch_up: Callable[[], list[Hour]],
    database: Database,
    output: Output,
    behind: Callable[[], list[Hour]],
    sql: Sql,
    is_first: bool,
) -> None:
    if not is_first:
        catch_up()
        for hour in SOLD:
            os.utime(path_of(output, hour), (0, 0))
    due = behind()

    def change(made: Report) -> str:
        # Once: while no file is known, the changes of the catalogue are not kept.
        if made.span.since == due[0]:
            sql('update public.books set "Format" = \'eBook\' where "ISBN-10" = %s', ENGLISH)
            catalogue.refresh(database)
        return printed(made)

    assert [made.span.since for made in hourly.write(database, Files(output, "json", "Spanish"), due, change)] == due
    assert set(catch_up()) >= {HOUR, OLD}
    see_files(output, database, list(SOLD))
    assert catch_up() == []


def test_what_another_run_has_in_its_hands_is_waited_for_by_none(
    loaded: Bookstore, load: Load, catch_up: Callable[[], list[Hour]], database: Database, database_url: str, sql: Sql
) -> None:
    catch_up()
    assert load(OLD, again=True).outcome == "reloaded"
    assert loaded
    with connected(database_url) as hold:
        hold("begin")
        hold("select from reports_written for update")
        sql(f"update public.books set \"Language\" = 'Latin' where \"ISBN-10\" = '{FRENCH}'")
        assert hourly.behind(database, Files(Output(Path("/srv/{hour}.json")), "json", "Spanish")) == sorted(SOLD, reverse=True)
        assert catalogue.refresh(database).changed == 0
        path = sql("select distinct path from reports_written")[0][0]
        assert hourly.behind(database, Files(Output(Path(path)), "json", "Spanish")) == [HOUR + 1, OLD]
    assert sql("select count(*) from reports_written") == [(4,)]
    assert catch_up() == [HOUR + 1, OLD]


@pytest.mark.usefixtures("loaded")
def test_an_interrupted_run_goes_on_where_it_was(
    catch_up: Callable[[], list[Hour]], database: Database, output: Output, behind: Callable[[], list[Hour]]
) -> None:
    def interrupted(made: Report) -> str:
        if made.span.since == HOUR:
            raise Interrupted(15)
        return printed(made)

    with pytest.raises(Interrupted):
        list(hourly.write(database, Files(output, "json", "Spanish"), behind(), interrupted))
    assert catch_up() == [HOUR, OLD]
    see_files(output, database, list(SOLD))


@pytest.mark.usefixtures("loaded")
def test_a_file_that_can_not_be_written_keeps_no_other_from_it(
    catch_up: Callable[[], list[Hour]], database: Database, output: Output, behind: Callable[[], list[Hour]], tmp_path: Path
) -> None:
    in_the_way = path_of(output, HOUR + 2)
    in_the_way.mkdir()
    with pytest.raises(Configuration, match="can't write"):
        catch_up()
    assert behind() == [HOUR + 2]
    in_the_way.rmdir()
    assert catch_up() == [HOUR + 2]
    (tmp_path / "reports").rename(tmp_path / "elsewhere")
    asked: list[Hour] = []
    files = Files(output, "json", "Spanish")

    def ask(made: Report) -> str:
        asked.append(made.span.since)
        return printed(made)

    with pytest.raises(Configuration):
        list(hourly.write(database, files, behind(), ask))
    assert len(asked) == hourly.MOST_FAILURES


@pytest.mark.usefixtures("loaded")
def test_hosts_know_their_own_files_and_a_new_host_those_of_a_folder_that_they_share(
    catch_up: Callable[[], list[Hour]], sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on(host: str, disk: str) -> list[Hour]:
        monkeypatch.setattr(socket, "gethostname", lambda: host)
        (tmp_path / disk).mkdir(exist_ok=True)
        (tmp_path / disk).rename(tmp_path / "reports")
        written = catch_up()
        (tmp_path / "reports").rename(tmp_path / disk)
        return written

    (tmp_path / "reports").rmdir()
    assert len(on("one", "disk of one")) == len(on("two", "disk of two")) == len(SOLD)
    assert on("one", "disk of one") == on("two", "disk of two") == on("three", "disk of two") == []
    sql(f"update public.books set \"Language\" = 'Latin' where \"ISBN-10\" = '{FRENCH}'")
    assert on("one", "disk of one") == on("three", "disk of two") == [HOUR + 1]
    assert on("one", "disk of one") == on("two", "disk of two") == []
    assert sql("select host, count(*) from reports_written group by host order by host") == [
        ("one", 4),
        ("three", 1),
        ("two", 3),
    ]


def test_a_link_to_the_folder_leads_to_the_same_files(tmp_path: Path, output: Output) -> None:
    (tmp_path / "link").symlink_to("reports")
    assert Output(tmp_path / "link" / "{hour}.json").identity == output.identity
    assert Output(Path(os.fsdecode(b"/srv/\xff/{hour}.json"))).identity == "/srv/\\xff/{hour}.json"


CODES = st.sampled_from([ENGLISH, SPANISH, FRENCH, UNKNOWN])
names = st.sampled_from([None, "eBook", "Spanish", "Latin"])
numbers = st.integers(0, 2)
steps = st.one_of(
    st.tuples(st.just("load"), numbers, st.lists(CODES, max_size=3)),
    st.tuples(st.just("books"), st.lists(st.builds(Book, CODES, names, names), max_size=4)),
    st.tuples(st.just("remove"), numbers),
    st.tuples(st.just("prune"), numbers, st.booleans()),
    st.tuples(st.just("run")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=2, max_size=12))
def test_whatever_happens_between_two_runs_each_file_is_what_plain_python_says(
    bookstore: Bookstore,
    load: Load,
    database: Database,
    sql: Sql,
    output: Output,
    catch_up: Callable[[], list[Hour]],
    path: list[tuple[Any, ...]],
) -> None:
    sql("truncate ledger, ledger_files, loads, rejects, purchase_rows, hour_sums, reports_written, catalogue_changes")
    write_books(sql, BOOKS)
    books, sold, expected = list(BOOKS), dict[Hour, list[Purchase]](), dict[Hour, Any]()
    file = {HOUR + number: path_of(output, HOUR + number) for number in range(3)}
    for each in file.values():
        each.unlink(missing_ok=True)
    for kind, *values in [*path, ("run",)]:
        match kind:
            case "load":
                hour, sold[HOUR + values[0]] = HOUR + values[0], [Purchase(f"user of {code}", code) for code in values[1]]
                bookstore.fill(hour, csv_file(sold[hour]))
                assert load(hour, again=True).error is None
            case "books":
                books = values[0]
                write_books(sql, books)
            case "remove":
                file[HOUR + values[0]].unlink(missing_ok=True)
                expected.pop(HOUR + values[0], None)
            case "prune":
                hour = HOUR + values[0]
                if sold.pop(hour, None) is not None:
                    month = prune.PrunedMonth(Span.of_hour(hour), whole=False, hours=1, rows=0)
                    prune.prune(database, month, keep_sums=values[1])
            case "run":
                catch_up()
                expected |= {hour: truth.report(purchases, books) for hour, purchases in sold.items()}
                found = {hour: json.loads(each.read_text()) for hour, each in file.items() if each.exists()}
                assert {hour: figures(told) for hour, told in found.items()} == expected
                assert catch_up() == []
