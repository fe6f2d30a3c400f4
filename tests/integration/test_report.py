"""The report against plain Python over the same purchases."""

import random
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

import documents
import truth
from bookreport import reports
from bookreport.calendars import UTC_CALENDAR, Calendar, Period, Unit
from bookreport.database import Database, Transaction
from bookreport.errors import NotReady
from bookreport.hours import FIRST, Hour, Span
from bookreport.present.report import report_csv, report_json, report_markdown, report_table
from bookstore import AUDIO, BOOKS, ENGLISH, FRENCH, HOUR, POCKET, SPANISH, UNKNOWN, Bookstore, csv_file, isbn, write_books
from connection import Sql
from loading import Load
from truth import Book, Purchase, figures

Fill = Callable[..., None]


@pytest.fixture
def sell(bookstore: Bookstore, load: Load) -> Fill:
    """Writes and loads one hour of purchases."""

    def fill(purchases: Iterable[Purchase], hour: Hour = HOUR) -> None:
        bookstore.fill(hour, csv_file(purchases))
        assert load(hour).outcome == "loaded"

    return fill


@pytest.fixture
def report(database: Database) -> Callable[..., dict[str, Any]]:
    """Makes the JSON report of `hours` hours, starting at HOUR."""

    def make(hours: int = 1, *languages: str) -> Any:
        made = reports.make_report(database, Span(HOUR, HOUR + hours), languages or ("Spanish",))
        return documents.fitting(report_json(made))

    return make


def test_every_hour_and_the_span_of_all_are_what_plain_python_says(
    sell: Fill, database: Database, sql: Sql, report: Callable[..., dict[str, Any]]
) -> None:
    chance = random.Random(2)
    books = [
        Book(
            isbn(number), chance.choice(("Hardcover", "Paperback", None)), chance.choice(("Spanish", "English", "French", None))
        )
        for number in range(1, 400)
    ]
    write_books(sql, books)
    hours = [
        [
            Purchase(
                f"user{chance.randrange(150)}",
                isbn(chance.randrange(1, 440)),
                chance.choice((None, 1, 1, 2, 7)),
                f"{chance.randrange(5000) / 100:.2f}",
            )
            for _ in range(chance.choice((0, 40, 300)))
        ]
        for _ in range(6)
    ]
    for number, purchases in enumerate(hours):
        sell(purchases, HOUR + number)
    for number, purchases in enumerate(hours):
        made = reports.make_report(database, Span.of_hour(HOUR + number))
        assert figures(report_json(made)) == truth.report(purchases, books)
    whole = report(6)
    assert figures(whole) == truth.report([purchase for purchases in hours for purchase in purchases], books)
    assert whole["unmatched"]["isbns"] > 0
    assert None in {row["format"] for row in whole["sales"]}


def test_users_who_return_are_counted_once_over_the_span(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    # By hour 100 %, 0 % and 0 %: an average would say 50.0 for two hours, and 33.33 for three.
    sell([Purchase("ana", SPANISH)])
    sell([Purchase(user, ENGLISH) for user in ("ana", "bob", "eva")], HOUR + 1)
    sell([Purchase(user, ENGLISH) for user in ("ana", "bob", "eva", "zoe")], HOUR + 2)
    assert report(1)["buyers"] == {"language": "Spanish", "buyers": 1, "users": 1, "percent": 100.0}
    assert report(2)["buyers"] == {"language": "Spanish", "buyers": 1, "users": 3, "percent": 33.33}
    assert report(3)["buyers"] == {"language": "Spanish", "buyers": 1, "users": 4, "percent": 25.0}


def test_who_bought_a_language_twice_is_one_buyer(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    sell([Purchase("ana", SPANISH), Purchase("ana", POCKET), Purchase("ana", SPANISH), Purchase("bob", UNKNOWN)])
    assert report()["buyers"] == {"language": "Spanish", "buyers": 1, "users": 2, "percent": 50.0}


def test_a_sale_of_an_unknown_book_is_shown_and_counted(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    sold = [
        Purchase("ana", ENGLISH, 1, "5.00"),
        Purchase("bob", UNKNOWN, 2, "3.33"),
        Purchase("eva", "no isbn at all", 1, "1.01"),
    ]
    sell(sold)
    made = report()
    assert made["unmatched"] == {"books_sold": 3, "sale_value": "7.67", "isbns": 2}
    assert made["total"] == {"books_sold": 4, "sale_value": "12.67"}
    assert made["buyers"]["users"] == 3
    assert figures(made) == truth.report(sold, BOOKS)


def test_a_span_of_nothing_but_unknown_books_has_them_all_in_its_total(
    sell: Fill, report: Callable[..., dict[str, Any]]
) -> None:
    sell([Purchase("bob", UNKNOWN, 2, "3.33")])
    made = report()
    assert (made["sales"], made["total"]) == ([], {"books_sold": 2, "sale_value": "6.66"})
    assert made["buyers"]["percent"] == 0.0


def test_an_isbn_that_the_catalogue_has_several_times_counts_once(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]
) -> None:
    hyphens = f"{ENGLISH[0]}-{ENGLISH[1:4]}-{ENGLISH[4:9]}-{ENGLISH[9]}"
    books = [
        Book(ENGLISH, "Paperback", "English"),
        Book(ENGLISH, "Hardcover", "Spanish"),
        Book(hyphens, "Hardcover", "English"),
        Book(f"978{ENGLISH[:9]}7", None, "Aramaic"),
        Book(SPANISH, "Paperback", "Spanish"),
        Book(SPANISH, "Paperback", "Spanish"),
        Book(None, "Hardcover", "English"),
    ]
    write_books(sql, books)
    sold = [Purchase("ana", ENGLISH, 2, "10"), Purchase("bob", SPANISH, 1, "7")]
    sell(sold)
    made = report()
    assert made["sales"] == [
        {"format": "Hardcover", "language": "English", "books_sold": 2, "sale_value": "20.00"},
        {"format": "Paperback", "language": "Spanish", "books_sold": 1, "sale_value": "7.00"},
    ]
    assert figures(made) == truth.report(sold, books)


@pytest.mark.parametrize(
    ("in_the_file", "in_the_catalogue"),
    [
        ("0306406152", "0306406152"),
        ("0-306-40615-2", "0306406152"),
        ("0306406152", "0-306-40615-2"),
        (" 0306406152 ", "0306406152"),
        ("0 306 40615 2", "0306406152"),
        ("306406152", "0306406152"),
        ("0306406152", "306406152"),
        ("9780306406157", "0306406152"),
        ("978-0-306-40615-7", "0306406152"),
        ("0306406152", "9780306406157"),
        ("080442957X", "080442957X"),
        ("080442957x", "080442957X"),
        ("80442957x", "0-8044-2957-X"),
        ("9780804429573", "080442957x"),
        ("\u00a00306406152", "0306406152"),
        ("0\u2010306\u201340615\u20142", "0306406152"),
        ("3", "0000000003"),
    ],
)
def test_an_isbn_is_known_however_it_is_written(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]], in_the_file: str, in_the_catalogue: str
) -> None:
    write_books(sql, [Book(in_the_catalogue, "Hardcover", "Spanish")])
    sell([Purchase("ana", in_the_file, 2, "1.50")])
    made = report()
    assert made["unmatched"]["books_sold"] == 0
    assert made["sales"] == [{"format": "Hardcover", "language": "Spanish", "books_sold": 2, "sale_value": "3.00"}]
    assert made["buyers"]["buyers"] == 1


@pytest.mark.parametrize("other", ["9790306406157", "03064061520", "0306406153", "97803064061570", "9770306406157"])
def test_an_isbn_that_is_another_one_matches_nothing(sell: Fill, report: Callable[..., dict[str, Any]], other: str) -> None:
    sell([Purchase("ana", other)])
    assert report()["unmatched"] == {"books_sold": 1, "sale_value": "10.00", "isbns": 1}


def test_spellings_of_one_unknown_isbn_are_one(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    sell([Purchase("ana", code) for code in ("9999999990", "9-999-99999-0", " 9999999990")])
    assert report()["unmatched"] == {"books_sold": 3, "sale_value": "30.00", "isbns": 1}


def test_the_canonical_isbn_of_postgres_is_that_of_plain_python(sql: Sql) -> None:
    chance = random.Random(5)
    codes = [isbn(chance.randrange(10**9)) for _ in range(300)]
    codes += [f"978{code[:9]}{chance.randrange(10)}" for code in codes] + [code.lstrip("0") for code in codes]
    codes += [f"{code[:1]}-{code[1:4]} {code[4:]}".replace("X", "x") for code in codes]
    codes += [
        "B00ABCDEF1",
        "b00abcdef1",
        "0",
        "000-000-0000",
        "X" * 10,
        "X",
        "1X",
        "XX",
        "1234X6789",
        "",
        "-",
        "\u2013",
        "N/A",
    ]
    found = sql("select code, canonical_isbn(code), is_isbn(canonical_isbn(code)) from unnest(%s) as code", codes)
    assert [row for row in found if row[1] != (truth.canonical_isbn(row[0]) or row[0])] == []
    assert [row for row in found if row[2] != (truth.canonical_isbn(row[0]) is not None)] == []
    assert len(found) == len(codes)


NO_ISBNS = ("-", "\u2013", "N/A", "n/a", "NA", "NULL", "none", "0", "0000000000", "000-000-0000", "X", "?", "9790306406157")


def test_what_stands_for_no_isbn_matches_no_book_that_has_the_same(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]
) -> None:
    books = [Book(SPANISH, "Hardcover", "Spanish"), *(Book(code, "Gift", "Spanish") for code in ("", None, " ", *NO_ISBNS))]
    write_books(sql, books)
    sold = [Purchase(f"user{number}", code) for number, code in enumerate((ENGLISH, *NO_ISBNS, *NO_ISBNS))]
    sell(sold)
    assert figures(report()) == truth.report(sold, books)
    assert report()["buyers"]["buyers"] == 0
    assert report()["unmatched"]["isbns"] == 1 + len(NO_ISBNS)
    assert sql("select count(*) from sales where matched") == [(0,)]


def test_a_code_of_the_shops_own_matches_its_book(sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]) -> None:
    books = [Book("B00ABCDEF1", "eBook", "Spanish")]
    write_books(sql, books)
    sold = [Purchase("ana", "B00-ABCDEF1"), Purchase("bob", "b00abcdef1")]
    sell(sold)
    assert figures(report()) == truth.report(sold, books)
    assert report()["buyers"]["buyers"] == 1


def test_a_book_without_format_or_language_is_a_group_of_its_own(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]
) -> None:
    books = [Book(ENGLISH, None, "English"), Book(SPANISH, "Hardcover", None), Book(FRENCH, None, None), Book(POCKET, "", "")]
    write_books(sql, books)
    sold = [Purchase("ana", book.isbn10 or "", 1, "5") for book in books]
    sell(sold)
    assert figures(report()) == truth.report(sold, books)
    assert [(row["format"], row["language"]) for row in report()["sales"]] == [
        ("", ""),
        ("Hardcover", None),
        (None, "English"),
        (None, None),
    ]


def test_blanks_around_format_and_language_make_no_group(sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]) -> None:
    books = [
        Book(ENGLISH, " Hardcover", "Spanish "),
        Book(SPANISH, "Hardcover\t", "\nSpanish"),
        Book(FRENCH, "hardcover", "Spanish"),
    ]
    write_books(sql, books)
    sold = [Purchase("ana", ENGLISH), Purchase("bob", SPANISH), Purchase("eva", FRENCH)]
    sell(sold)
    assert [(row["format"], row["books_sold"]) for row in report()["sales"]] == [("Hardcover", 2), ("hardcover", 1)]
    assert figures(report()) == truth.report(sold, books)


@pytest.mark.parametrize("asked", ["Spanish", "spanish", " SPANISH ", "sPaNiSh"])
def test_the_language_is_found_whatever_its_case_and_blanks(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]], asked: str
) -> None:
    write_books(
        sql, [Book(ENGLISH, "eBook", "spanish"), Book(SPANISH, "eBook", " SPANISH "), Book(FRENCH, "eBook", "Spanish (Peru)")]
    )
    sell([Purchase("ana", ENGLISH), Purchase("bob", SPANISH), Purchase("eva", FRENCH), Purchase("ana", SPANISH)])
    assert report(1, asked)["buyers"] == {"language": asked.strip(), "buyers": 2, "users": 3, "percent": 66.67}


def test_case_is_that_of_all_languages_and_not_of_english_alone(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]
) -> None:
    write_books(sql, [Book(ENGLISH, "eBook", "ESPAÑOL"), Book(SPANISH, "eBook", "Ελληνικά")])
    sell([Purchase("ana", ENGLISH), Purchase("bob", SPANISH)])
    assert [report(1, name)["buyers"]["buyers"] for name in ("español", "ΕΛΛΗΝΙΚΆ")] == [1, 1]


def test_several_languages_are_told_each_for_itself(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    sold = [Purchase("ana", SPANISH), Purchase("ana", FRENCH), Purchase("bob", FRENCH), Purchase("eva", AUDIO)]
    sell(sold)
    made = report(1, "French", "Spanish", "Latin")
    assert made["buyers_by_language"] == [truth.report(sold, BOOKS, name)["buyers"] for name in ("French", "Spanish", "Latin")]
    assert made["buyers"]["language"] == "French"


def test_a_language_that_no_book_has_is_told(sell: Fill, database: Database) -> None:
    sell([Purchase("ana", SPANISH)])
    made = reports.make_report(database, Span.of_hour(HOUR), ("Spanish", "Latin"))
    assert made.unknown_languages == ("Latin",)
    document = documents.fitting(report_json(made))
    assert document["unknown_languages"] == ["Latin"]
    assert document["buyers_by_language"][1] == {"language": "Latin", "buyers": 0, "users": 1, "percent": None}
    told = "no book in the catalogue is in Latin; its languages are English, French, Spanish"
    assert told in report_table(made)
    assert told in report_markdown(made)
    assert report_csv(made).splitlines()[-1] == "buyers,,Latin,,,1,,"


def test_sales_are_ordered_by_value_then_format_then_language(
    sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]
) -> None:
    groups = [("b", "x"), ("B", "x"), ("a", "y"), ("a", "X"), (None, "a"), ("ä", None), ("z", "z")]
    books = [Book(isbn(number), *group) for number, group in enumerate(groups, 1)]
    write_books(sql, books)
    sold = [Purchase("ana", book.isbn10 or "", 1, "9.99" if book.format == "z" else "5") for book in books]
    sell(sold)
    order = [(row["format"], row["language"]) for row in report()["sales"]]
    assert order == [("z", "z"), ("B", "x"), ("a", "X"), ("a", "y"), ("b", "x"), ("ä", None), (None, "a")]
    assert figures(report()) == truth.report(sold, books)


def test_the_catalogue_is_as_it_is_when_the_report_is_made(sell: Fill, sql: Sql, report: Callable[..., dict[str, Any]]) -> None:
    sold = [Purchase("ana", UNKNOWN), Purchase("bob", ENGLISH)]
    sell(sold)
    books = [Book(UNKNOWN, "eBook", "Spanish"), Book(ENGLISH, "eBook", "English")]
    write_books(sql, books)
    assert figures(report()) == truth.report(sold, books)


def test_coverage_tells_which_hours_are_missing(
    sell: Fill, bookstore: Bookstore, load: Load, report: Callable[..., dict[str, Any]]
) -> None:
    sell([Purchase("ana", ENGLISH)], HOUR + 1)
    sell([], HOUR + 3)
    bookstore.fill(HOUR + 2, b"who,what\n")
    load(HOUR + 2)
    assert report(4)["coverage"] == {
        "hours_expected": 4,
        "hours_loaded": 2,
        "hours_with_sales": 2,
        "hours_before_first": 0,
        "missing": ["2024-05-01T13:00:00Z", "2024-05-01T15:00:00Z"],
        "complete": False,
        "skipped": [],
        "pruned": [],
        "sums_kept": [],
        "unusual": [],
    }


def test_only_hours_of_the_span_are_in_the_report(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    for number in (-1, 0, 1, 2):
        sell([Purchase(f"u{number}", ENGLISH)], HOUR + number)
    made = report(2)
    assert (made["total"]["books_sold"], made["buyers"]["users"]) == (2, 2)
    assert made["coverage"]["complete"] is True


def test_a_span_without_any_loaded_hour_is_not_ready(sell: Fill, report: Callable[..., dict[str, Any]]) -> None:
    sell([Purchase("ana", ENGLISH)], HOUR + 5)
    with pytest.raises(NotReady, match="no hour of 2024-05-01T13 to 2024-05-01T15 UTC is loaded"):
        report(2)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("", "it was never tried"),
        ("'failed', 'no price', null", "it failed: no price"),
        ("'skipped', 'no price', 'it never comes'", "it was skipped: it never comes"),
        ("'pruned', null, null", "it was pruned"),
    ],
)
def test_a_report_tells_why_its_hour_is_not_loaded(database: Database, sql: Sql, state: str, told: str) -> None:
    if state:
        sql(f"insert into ledger (hour, status, last_error, reason) values ('{HOUR.instant}', {state})")
    with pytest.raises(NotReady) as caught:
        reports.make_report(database, Span.of_hour(HOUR))
    assert caught.value.message == f"{HOUR} is not loaded: {told}"
    assert str(caught.value.hint).endswith(f"bookreport run-hour --hour {HOUR}")


def test_a_report_tells_when_its_hour_ends(database: Database) -> None:
    now = Hour.last() + 1
    with pytest.raises(NotReady, match=f"{now} is not loaded: it ends at {now + 1}:00Z"):
        reports.make_report(database, Span.of_hour(now))


def test_a_span_with_a_missing_hour_is_not_ready_when_all_are_required(sell: Fill, database: Database) -> None:
    sell([Purchase("ana", ENGLISH)])
    with pytest.raises(NotReady, match="1 of 2 hours") as caught:
        reports.make_report(database, Span(HOUR, HOUR + 2), require_complete=True)
    assert caught.value.hour == (HOUR + 1).instant
    assert str(caught.value).endswith(f"{HOUR + 1}, the first, was never tried")
    assert reports.make_report(database, Span.of_hour(HOUR), require_complete=True).missing == ()


@pytest.mark.parametrize(
    ("newest", "now", "zone", "last"),
    [
        # Monday 00:50, with Sunday's last hour there, and without.
        ("2024-04-28T23", "2024-04-29T00:50", "UTC", "2024-04-28"),
        ("2024-04-28T22", "2024-04-29T00:50", "UTC", "2024-04-28"),
        ("2024-04-28T00", "2024-04-29T23:50", "UTC", "2024-04-28"),
        ("2024-04-29T09", "2024-04-29T10:10", "UTC", "2024-04-28"),
        # Nothing of Sunday: the last day that there is.
        ("2024-04-27T23", "2024-04-29T10:10", "UTC", "2024-04-27"),
        # Of long ago, and of an hour that is ahead of the clock.
        ("2024-04-29T09", "2026-01-01T10:10", "UTC", "2024-04-29"),
        ("2024-04-29T00", "2024-04-28T23:59", "UTC", "2024-04-27"),
        # Monday begins at 22:00 UTC in Madrid; it is Sunday until 04:00 UTC in New York.
        ("2024-04-28T20", "2024-04-28T22:10", "Europe/Madrid", "2024-04-28"),
        ("2024-04-28T20", "2024-04-28T21:50", "Europe/Madrid", "2024-04-27"),
        ("2024-04-29T02", "2024-04-29T03:50", "America/New_York", "2024-04-27"),
    ],
)
def test_the_newest_days_are_whole_and_over_and_wait_for_no_late_hour(
    database: Database, sql: Sql, monkeypatch: pytest.MonkeyPatch, newest: str, now: str, zone: str, last: str
) -> None:
    monkeypatch.setattr(Transaction, "now", lambda _: datetime.fromisoformat(f"{now}:00Z"))
    for hour in (Hour.parse(newest) + -300, Hour.parse(newest)):
        sql("insert into ledger (hour, status) values (%s, 'loaded')", hour.start)
    period = reports.newest_days(database, 7, Calendar.of(zone))
    assert (period.unit, period.number, period.end) == (Unit.DAY, 7, date.fromisoformat(last) + timedelta(days=1))


def test_without_a_loaded_hour_there_are_no_newest_days_and_none_are_before_the_calendar(database: Database, sql: Sql) -> None:
    with pytest.raises(NotReady, match="no hour is loaded yet"):
        reports.newest_days(database, 7, UTC_CALENDAR)
    sql("insert into ledger (hour, status) values ('0001-01-02 05:00Z', 'loaded')")
    assert reports.newest_days(database, 7, UTC_CALENDAR, FIRST) == Period(Unit.DAY, date.min, 2)


def test_the_newest_span_ends_with_the_newest_loaded_hour(sell: Fill, database: Database) -> None:
    with pytest.raises(NotReady, match="no hour is loaded yet"):
        reports.newest_span(database)
    sell([Purchase("ana", ENGLISH)], HOUR + 2)
    sell([Purchase("ana", ENGLISH)], HOUR)
    assert reports.newest_span(database) == Span.of_hour(HOUR + 2)
    assert reports.newest_span(database, 24) == Span(HOUR + -21, HOUR + 3)


def test_a_report_sees_one_state_while_an_hour_is_reloaded(
    sell: Fill, bookstore: Bookstore, load: Load, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    sell([Purchase("ana", SPANISH, 1, "5")])
    rows = Transaction.rows

    def meanwhile(self: Transaction, name: str, /, **parameters: Any) -> Any:
        found = rows(self, name, **parameters)
        if name == "reports/sales":
            monkeypatch.setattr(Transaction, "rows", rows)
            bookstore.fill(HOUR, csv_file([Purchase("bob", ENGLISH, 1, "5"), Purchase("eva", ENGLISH, 1, "5")]))
            assert load(HOUR, again=True).outcome == "reloaded"
        return found

    monkeypatch.setattr(Transaction, "rows", meanwhile)
    before = reports.make_report(database, Span.of_hour(HOUR))
    assert (before.books_sold, before.buyers[0].buyers, before.buyers[0].users) == (1, 1, 1)
    assert Transaction.rows is rows
    after = reports.make_report(database, Span.of_hour(HOUR))
    assert (after.books_sold, after.buyers[0].buyers, after.buyers[0].users) == (2, 0, 2)


def test_reports_of_several_spans_are_those_of_each(sell: Fill, database: Database) -> None:
    sell([Purchase("ana", SPANISH), Purchase("bob", ENGLISH)])
    sell([Purchase("eva", FRENCH)], HOUR + 1)
    spans = [Span.of_hour(HOUR), Span.of_hour(HOUR + 1), Span(HOUR, HOUR + 2)]
    made = list(reports.make_reports(database, spans))
    for report, span in zip(made, spans, strict=True):
        assert report_json(report) == report_json(reports.make_report(database, span)) | {
            "generated_at": report_json(report)["generated_at"]
        }


def test_reports_of_no_span_ask_nothing_of_the_database() -> None:
    assert list(reports.make_reports(Database("postgresql://postgres@127.0.0.1:1/none"), [])) == []
