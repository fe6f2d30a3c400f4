"""`bookreport report --format html`, `--compare` and `--excel`, as the installed command does them."""

import re
from pathlib import Path

import pytest

import documents
from bookstore import ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file
from loading import Load
from running import Run
from truth import Purchase


@pytest.fixture
def run(bookstore: Bookstore, load: Load, bookreport: Run) -> Run:
    """Runs the command after two hours were loaded."""
    for number, user in enumerate(("ann", "bob")):
        bookstore.fill(
            HOUR + number, csv_file([Purchase(user, ENGLISH), Purchase("cy", SPANISH, number + 1), Purchase("cy", UNKNOWN)])
        )
        load(HOUR + number)
    return bookreport


def test_the_page_is_written_whole_and_holds_the_json_of_the_same_span(run: Run, tmp_path: Path) -> None:
    span = ("report", "--hour", str(HOUR + 1))
    made = run("-q", *span, "--format", "html", "-o", "report.html")
    assert (made.code, made.out, made.err) == (0, "", "")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', text)
    assert found
    embedded, told = documents.read(found[1]), documents.read(run(*span, "--json", "--compare", "previous", "--by", "hour").out)
    assert embedded.pop("generated_at")
    assert told.pop("generated_at")
    assert embedded == told
    assert told["previous"]["change"]["books_sold"] == 1
    assert len(text.encode()) < 200_000


def test_without_the_extra_the_command_says_what_to_install(run: Run, tmp_path: Path) -> None:
    (tmp_path / "jinja2.py").write_text('raise ImportError("not here", name="jinja2")', encoding="utf-8")
    refused = run("report", "--format", "html", "-o", "report.html", PYTHONPATH=str(tmp_path))
    assert (refused.code, refused.out) == (6, "")
    assert "WHEEL[html]" in refused.err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("arguments", [("report", "--excel"), ("report", "--excel", "--json"), ("rejects", "--excel")])
def test_excel_without_csv_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "--format csv" in refused.err
