import csv
import io
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from rich.cells import cell_len

from bookreport.ledger import SetAside
from bookreport.present.page import report_page
from bookreport.present.report import report_csv, report_json, report_markdown, report_table
from bookreport.present.state import rejects_csv, rejects_table
from bookreport.present.words import as_json
from bookreport.reports import Report, Sale
from unit.test_page import COMPLETE, REPORT


def selling(*names: str) -> Report:
    return replace(REPORT, sales=tuple(Sale(name, name, 5, Decimal(10)) for name in names), by=None, series=())


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_for_a_spreadsheet_a_name_that_looks_like_a_formula_is_text(name: str) -> None:
    text = report_csv(selling(name), excel=True)
    (sale,) = (row for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")) if row["section"] == "sales")
    assert (sale["format"], sale["language"]) == (f"'{name}", f"'{name}")
    assert (sale["books_sold"], sale["sale_value"]) == ("5", "10.00")


def test_for_a_spreadsheet_csv_has_a_byte_order_mark_and_crlf_and_for_others_neither() -> None:
    text = report_csv(selling("=1+1", "Paperback"), excel=True)
    assert text.startswith("\ufeffsection,")
    assert re.findall(r"(?<!\r)\n", text) == []
    plain = report_csv(selling("=1+1", "Paperback"))
    assert "\r" not in plain
    assert not plain.startswith("\ufeff")
    assert "sales,=1+1,=1+1,5,10.00" in plain
    assert "sales,Paperback,Paperback,5,10.00" in text


def test_csv_of_a_comparison_has_the_span_before_in_sections_of_its_own() -> None:
    sections = [row["section"] for row in csv.DictReader(io.StringIO(report_csv(COMPLETE)))]
    assert sections == ["sales"] * 4 + [
        "unmatched",
        "total",
        "buyers",
        "buyers",
        "previous_total",
        "previous_buyers",
        "previous_buyers",
        *["series"] * 3,
    ]


@pytest.mark.parametrize(
    "name", ["<!channel>", "@everyone", "http://example.com", "www.example.com", "`code`", "a|b", "$x$", "*b*"]
)
def test_markdown_shows_a_name_and_no_link_mention_or_markup(name: str) -> None:
    row = report_markdown(selling(name)).splitlines()[4]
    assert row.endswith("| 5 | 10.00 | 50.0% |")
    assert re.findall(r"<|>|(?<!\\)[`*$]|@(?!\u200b)|(?<!\\)://|www\.", row) == []
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_the_terminal_shows_escape_sequences_and_steers_nothing() -> None:
    table = report_table(selling("\x1b[31mred\x1b[0m\x07", "a\nb", "\u202eevil", "\x9b2J"))
    assert r"\x1b[31mred\x1b[0m\x07" in table
    assert all(line.isprintable() for line in table.splitlines())


def test_columns_stay_aligned_with_wide_characters_and_the_total_is_last() -> None:
    lines = report_table(selling("漢字かな", "Paperback", "עברית", "é")).splitlines()
    amounts = [line for line in lines if line.endswith("%")]
    assert len({cell_len(line) for line in amounts}) == 1
    assert amounts[-1].startswith("Total")


def test_the_table_tells_the_change_since_the_span_before() -> None:
    table = report_table(COMPLETE)
    assert "Against 2024-05-01T10 to 2024-05-01T13 UTC: books +18 (+1.5%), value +147.125 (+1.2%)" in table
    assert "Spanish 0.00 points" in table


def test_a_change_that_rounds_to_zero_has_no_sign() -> None:
    now = replace(selling("Paperback"), sales=(Sale("eBook", "Latin", 99_999, Decimal(99_999)),), missing=())
    report = replace(now, previous=replace(now, sales=(Sale("eBook", "Latin", 100_000, Decimal(100_000)),)))
    assert "books -1 (0.0%), value -1.00 (0.0%), users who bought in Spanish 0.00 points" in report_table(report)
    assert '"books_sold_percent": 0.0,' in as_json(report_json(report))
    assert "books 0 (0.0%), value 0.00 (0.0%)" in report_table(replace(now, previous=now))


@pytest.mark.parametrize("text", ["a\rb", "a\r", "\r", "\n\r", 'a\r"b"', "a\r\nb", "a\nb", ",", '"'])
@pytest.mark.parametrize("excel", [False, True])
def test_csv_quotes_every_line_end_within_a_cell(text: str, excel: bool) -> None:
    reject = SetAside(COMPLETE.span.since, "a.csv", 2, text, text)
    end = "\r\n" if excel else "\n"
    text = ("'" if excel and text.startswith(("\r", "\n")) else "") + text
    quoted = '"' + text.replace('"', '""') + '"'
    expected = f"hour,key,line_number,reason,raw{end}{COMPLETE.span.since.instant},a.csv,2,{quoted},{quoted}{end}"
    assert rejects_csv([reject], excel=excel).removeprefix("\ufeff") == expected


@pytest.mark.parametrize("character", ["\x1b", "\x80", "\x9b", "\u061c", "\u200f", "\u202e", "\u2067"], ids=ascii)
def test_csv_shows_what_would_steer_a_terminal_and_keeps_tabs_and_lines(character: str) -> None:
    shown = ascii(character)[1:-1]
    for excel in (False, True):
        text = report_csv(selling(f"a{character}\tb\r\nc"), excel=excel)
        assert character not in text
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
        assert [row["format"] for row in rows if row["section"] == "sales"] == [f"a{shown}\tb\r\nc"]
    reject = SetAside(COMPLETE.span.since, f"{character}.csv", 2, f"{character} is no number", f"ana,{character}")
    (row,) = csv.DictReader(io.StringIO(rejects_csv([reject])))
    assert (row["key"], row["reason"], row["raw"]) == (f"{shown}.csv", f"{shown} is no number", f"ana,{shown}")
    for text in (report_markdown(selling(character)), report_table(selling(character)), rejects_table([reject])):
        assert character not in text


def test_the_page_shows_what_would_turn_text_around() -> None:
    page = report_page(selling("\u202egnp.exe\x9b"))
    assert re.findall("[\u202e\x9b]", page) == []
    assert r"\u202egnp.exe\x9b" in page
