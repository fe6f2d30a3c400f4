"""`bookreport report --format html`, `--compare` and `--excel`, as the installed command does them."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import documents
from bookreport.outcomes import Outcome
from bookstore import ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file
from truth import Purchase

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(bookstore: Bookstore, load: Callable[..., Outcome], database_url: str, tmp_path: Path) -> Run:
    """Runs the command on two loaded hours, in a folder of its own."""
    for number, user in enumerate(("ann", "bob")):
        bookstore.fill(
            HOUR + number, csv_file([Purchase(user, ENGLISH), Purchase("cy", SPANISH, number + 1), Purchase("cy", UNKNOWN)])
        )
        load(HOUR + number)

    def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bookreport", *arguments],
            cwd=tmp_path,
            env=os.environ | {"DATABASE_URL": database_url} | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return command


def test_the_page_is_written_whole_and_holds_the_json_of_the_same_span(run: Run, tmp_path: Path) -> None:
    span = ("report", "--hour", str(HOUR + 1))
    made = run("-q", *span, "--format", "html", "-o", "report.html")
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="report">(.*?)</script>', text)
    assert found
    embedded, told = documents.read(found[1]), documents.read(run(*span, "--json", "--compare", "previous").stdout)
    assert embedded.pop("generated_at")
    assert told.pop("generated_at")
    assert embedded == told
    assert told["previous"]["change"]["books_sold"] == 1
    assert len(text.encode()) < 200_000


def test_without_the_extra_the_command_says_what_to_install(run: Run, tmp_path: Path) -> None:
    (tmp_path / "jinja2.py").write_text('raise ImportError("not here", name="jinja2")', encoding="utf-8")
    refused = run("report", "--format", "html", "-o", "report.html", PYTHONPATH=str(tmp_path))
    assert (refused.returncode, refused.stdout) == (6, "")
    assert "bookreport[html]" in refused.stderr
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("arguments", [("report", "--excel"), ("report", "--excel", "--json"), ("rejects", "--excel")])
def test_excel_without_csv_is_refused(run: Run, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--format csv" in refused.stderr
