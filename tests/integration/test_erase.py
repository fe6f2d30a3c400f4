"""A person is erased: nothing stored names him any more, and every figure stays as it was."""

import re
import threading
from typing import Any

import pytest

import documents
import truth
from bookreport import reports
from bookreport.bucket import Bucket
from bookreport.database import Database
from bookreport.erase import Trace, erase, traces
from bookreport.errors import Locked
from bookreport.health import verify
from bookreport.hours import Hour, Span
from bookreport.present import words
from bookreport.present.report import report_json
from bookstore import BOOKS, ENGLISH, HOUR, POCKET, SPANISH, UNKNOWN, Bookstore, csv_file
from connection import Sql
from loading import TABLES, Load, held
from running import WAITING
from truth import Purchase

MAY = Hour.parse("2024-04-30T23")
"""HOUR is in the next month."""

RANDOM = re.compile("erased-[0-9a-f]{32}")
SOLD = {
    MAY: [Purchase("u1", SPANISH, 2, "4.50"), Purchase("u12", ENGLISH), Purchase("bob", POCKET)],
    HOUR: [
        Purchase("u1", ENGLISH, 1, "0.10"),
        Purchase("u1", UNKNOWN, 3),
        Purchase("bob", ENGLISH),
        Purchase("O'Brien", SPANISH),
    ],
    HOUR + 1: [Purchase("u12", SPANISH), Purchase("bob", UNKNOWN)],
}
BAD = b"""u1,0306406152,u1,1.00
"u1" ,0306406152,u12,1.00
u12,0306406152,u1,1.00
"u12, u1x",0306406152,none,1.00
"u1,0306406152,1,1.00
"""


def erased(database: Database, *users: str) -> list[Trace]:
    return erase(database, {user: [trace.hour for trace in found] for user, found in traces(database, users).items()})


def stored(sql: Sql) -> str:
    return "\n".join(row for table in TABLES for (row,) in sql(f"select t::text from {table} t"))


def printed(database: Database, since: Hour, until: Hour) -> Any:
    document = documents.read(words.as_json(report_json(reports.make_report(database, Span(since, until)))))
    del document["generated_at"]
    return document


@pytest.fixture
def loaded(bookstore: Bookstore, load: Load) -> dict[Hour, list[Purchase]]:
    for hour, sold in SOLD.items():
        bookstore.fill(hour, csv_file(sold) + (BAD if hour == HOUR else b""))
        assert load(hour, reject_limit="5").outcome == "loaded"
    return SOLD


def test_no_figure_of_any_report_changes_and_nothing_names_the_users_any_more(
    database: Database, bucket: Bucket, loaded: dict[Hour, list[Purchase]], sql: Sql
) -> None:
    spans = [(hour, hour + 1) for hour in loaded] + [(MAY, HOUR + 2)]
    before = [printed(database, *span) for span in spans]
    assert [(trace.hour, trace.rows) for trace in erased(database, "u1", "O'Brien")] == [(MAY, 1), (HOUR, 3)]
    assert [printed(database, *span) for span in spans] == before
    for (since, until), document in zip(spans, before, strict=True):
        sold = [purchase for hour, of in loaded.items() if since <= hour < until for purchase in of]
        assert truth.figures(document) == truth.report(sold, BOOKS)
    assert verify(database, bucket).differences == ()
    assert sql("select user_id from purchases where user_id !~ '^erased' order by user_id") == [
        (user,) for user in sorted(["u12", "u12", "bob", "bob", "bob"])
    ]
    assert not re.search(r"\bu1\b|O'Brien", stored(sql))


def test_a_person_has_one_random_id_everywhere_and_each_person_another(
    database: Database, loaded: dict[Hour, list[Purchase]], sql: Sql
) -> None:
    assert loaded
    erased(database, "u1", "O'Brien")
    ids: dict[str, int] = dict(sql("select user_id, count(*) from purchases where user_id ~ '^erased' group by user_id"))
    assert sorted(ids.values()) == [1, 3]
    assert all(map(RANDOM.fullmatch, ids))
    [u1] = [user for user, rows in ids.items() if rows == 3]
    assert set(RANDOM.findall(stored(sql))) == set(ids)
    assert sql("select raw from rejects order by line_number") == [
        (f"{u1},0306406152,{u1},1.00",),
        (f'"{u1}" ,0306406152,u12,1.00',),
        (f"u12,0306406152,{u1},1.00",),
        ('"u12, u1x",0306406152,none,1.00',),
        (f'"{u1},0306406152,1,1.00',),
    ]
    assert [reason for (reason,) in sql("select reason from rejects order by line_number")] == [
        f"quantity '{u1}' is not a whole number",
        "field 1 has text after its closing quote",
        f"quantity '{u1}' is not a whole number",
        "quantity 'none' is not a whole number",
        "a quote is not closed on its line",
    ]


def test_a_person_who_comes_back_gets_another_id(
    database: Database, loaded: dict[Hour, list[Purchase]], load: Load, sql: Sql
) -> None:
    erased(database, "u1")
    # The reload of one hour brings the id back.
    load(HOUR, again=True, reject_limit="5")
    assert [(trace.hour, trace.rows) for trace in erased(database, "u1")] == [(HOUR, 2)]
    assert len(loaded) == 3
    assert sql("select count(distinct user_id) from purchases where user_id ~ '^erased'") == [(2,)]


@pytest.mark.parametrize(
    ("user", "field"),
    [
        ("ana@example.com", "ana@example.com"),
        ("Smith, Eva", '"Smith, Eva"'),
        ('the "best" one', '"the ""best"" one"'),
        ("O'Brien", "O'Brien"),
        (r"a.*\d+(b)|[c]{2}^$?", r"a.*\d+(b)|[c]{2}^$?"),
        ("Ñandú 鳥", "Ñandú 鳥"),
        ("x" * 200, "x" * 200),
    ],
)
def test_any_id_is_found_as_a_field_and_between_quotes(
    database: Database, bookstore: Bookstore, load: Load, sql: Sql, user: str, field: str
) -> None:
    sold = csv_file([Purchase("ana", ENGLISH), Purchase(user, ENGLISH)])
    records = [f"{field},{ENGLISH},none,1.00", f"ana,{ENGLISH},{field},1.00", f"ana,{ENGLISH}, {field} ,1.00"]
    # No quote may follow a blank.
    bad = "".join(f"{record}\n" for record in records[: 2 if field.startswith('"') else 3])
    bookstore.fill(HOUR, sold + bad.encode())
    load(HOUR, reject_limit="3")
    # A reload that fails leaves its error beside the loaded hour, and in the history.
    load(HOUR, again=True)
    [trace] = erased(database, user)
    assert (trace.rows, trace.rejects) == (1, bad.count("\n"))
    assert sql("select count(*) from rejects where raw ~ 'erased-'") == [(trace.rejects,)]
    left = stored(sql)
    assert user not in left.replace("\\\\", "\\")
    assert repr(user[:40])[1:-1] not in left
    assert "ana" in left


def test_others_whose_ids_hold_it_stay_as_they_are(database: Database, bookstore: Bookstore, load: Load, sql: Sql) -> None:
    others = ("ana", "brien ana", "O'brien", "brien.com", "Brien", "x-brien", "brien'", "'brien'")
    bookstore.fill(
        HOUR,
        csv_file([Purchase(user, ENGLISH) for user in others])
        + "".join(f"{user},{ENGLISH},{user}?,1.00\n" for user in others).encode(),
    )
    load(HOUR, reject_limit="8")
    load(HOUR, again=True)
    before = stored(sql)
    assert erased(database, "brien") == []
    assert stored(sql) == before


def test_a_number_is_found_in_its_own_column_alone_where_the_header_tells_that(
    database: Database, bookstore: Bookstore, load: Load, sql: Sql
) -> None:
    records = [
        f"1,5,{ENGLISH},n/a",
        f"1,7,{ENGLISH},n/a",
        f'" 1",5,{ENGLISH},x',
        f"2,5,{ENGLISH},1,",
        f'2,"5" ,{ENGLISH},1',
        f"0,1,{ENGLISH},9",
    ]
    bookstore.fill(HOUR, "\n".join(["copies,user,isbn,price", f"1,5,{ENGLISH},5", f"5,7,{ENGLISH},1", *records, ""]).encode())
    load(HOUR, reject_limit="6")
    load(HOUR, again=True)
    # Two records may be of either user: each counts them.
    assert erased(database, "5", "1", "0") == [Trace(HOUR, 1, 4 + 3, 0)]
    [(other,)] = sql("select distinct user_id from purchases where user_id <> '7'")
    assert RANDOM.fullmatch(other)
    left = [RANDOM.sub("?", raw.replace(other, "FIVE")) for (raw,) in sql("select raw from rejects order by line_number")]
    assert left == [
        f"1,FIVE,{ENGLISH},n/a",
        f"1,7,{ENGLISH},n/a",
        f'" 1",FIVE,{ENGLISH},x',
        # What is no record of four fields may have them anywhere.
        f"2,FIVE,{ENGLISH},?,",
        f'2,"FIVE" ,{ENGLISH},?',
        f"0,?,{ENGLISH},9",
    ]
    [(reason,)] = sql("select reason from rejects where line_number = 9")
    assert reason == "quantity '0' is not between 1 and 1,000,000"


def test_a_column_kept_in_extra_that_repeats_the_id_is_changed_in_the_persons_own_rows(
    database: Database, bookstore: Bookstore, load: Load, sql: Sql
) -> None:
    bookstore.fill(HOUR, f"user_id,login,isbn10,price,shop\nu1,u1,{ENGLISH},1,u12\nbob,u1,{ENGLISH},1,u1\n".encode())
    load(HOUR)
    erased(database, "u1")
    [(own, extra), (bob, his)] = sql("select user_id, extra from purchases order by user_id desc")
    assert RANDOM.fullmatch(own)
    assert (extra, bob, his) == ({"login": own, "shop": "u12"}, "bob", {"login": "u1", "shop": "u1"})


def test_a_failed_hour_is_searched_too(database: Database, bookstore: Bookstore, load: Load, sql: Sql) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ana", ENGLISH)]) + f"u1,{ENGLISH},u1,1.00\n".encode())
    # A file whose first line is a sale: the error shows it.
    bookstore.fill(HOUR + 1, f"ana,{ENGLISH},u1,1.00\n".encode())
    for hour in (HOUR, HOUR + 1):
        assert load(hour).outcome == "failed"
    assert erased(database, "u1") == [Trace(HOUR, 0, 1, 2), Trace(HOUR + 1, 0, 0, 2)]
    assert not re.search(r"\bu1\b", stored(sql))


def test_a_second_time_nothing_is_left_to_erase_and_a_text_that_was_removed_stays_so(
    database: Database, loaded: dict[Hour, list[Purchase]], sql: Sql
) -> None:
    assert loaded
    sql("update rejects set raw = null where line_number = 6")
    assert erased(database, "u1") != []
    before = stored(sql)
    assert erased(database, "u1") == []
    assert erase(database, {"u1": list(loaded)}) == []
    assert stored(sql) == before
    assert sql("select count(*) from rejects where raw is null") == [(1,)]


@pytest.mark.usefixtures("impatient")
def test_while_a_run_holds_one_of_the_hours_nothing_is_changed(
    database: Database, loaded: dict[Hour, list[Purchase]], sql: Sql
) -> None:
    assert loaded
    before = stored(sql)
    with held(database, HOUR), pytest.raises(Locked):
        erased(database, "u1")
    assert stored(sql) == before


def test_a_reload_under_way_is_waited_for_and_what_it_brings_is_changed(
    database_url: str,
    loaded: dict[Hour, list[Purchase]],
    bookstore: Bookstore,
    load: Load,
    sql: Sql,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bookstore.fill(HOUR, csv_file([*loaded[HOUR], Purchase("u1", SPANISH, 7)]) + BAD)
    read, other = Bucket.read, Database(database_url)
    found: list[Trace] = []
    erasing = threading.Thread(target=lambda: found.extend(erased(other, "u1")))

    def then(bucket: Bucket, hour: Hour, file: Any) -> Any:
        # The old rows are deleted by now, but others still see them.
        if not erasing.is_alive():
            erasing.start()
            while sql(WAITING) == [(0,)]:
                assert erasing.is_alive()
        return read(bucket, hour, file)

    monkeypatch.setattr(Bucket, "read", then)
    assert load(HOUR, again=True, reject_limit="5").outcome == "reloaded"
    erasing.join()
    other.close()
    assert [(trace.hour, trace.rows) for trace in found] == [(MAY, 1), (HOUR, 3)]
    assert sql("select count(*) from purchases where user_id = 'u1'") == [(0,)]
