"""Commands that need no bucket don't wait for the library that reads one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bookstore import ENGLISH, HOUR, Bookstore, csv_file
from loading import Load
from truth import Purchase

WITHOUT_BOTO3 = "import sys; sys.modules.update(boto3=None, botocore=None); from bookreport.cli import main; main()"


@pytest.mark.parametrize(
    "arguments",
    [
        ["migrate"],
        ["refresh"],
        ["report"],
        ["report", "--json", "--last", "24h", "--compare", "previous"],
        ["report", "--format", "html", "-o", "report.html"],
        ["rejects", "--format", "csv"],
        ["history", "--json"],
        ["skip", "--hour", str(HOUR + 1), "--reason", "never came"],
        ["unskip", "--hour", str(HOUR + 2)],
        ["prune", "--before", str(HOUR + 1), "--rejects-before", str(HOUR + 1), "--json"],
        ["erase", "--user", "ann", "--yes"],
        ["forget", "--hour", str(HOUR), "--yes"],
        ["schema", "report"],
        ["--help"],
    ],
    ids=" ".join,
)
def test_a_command_that_needs_no_bucket_does_without_boto3(
    arguments: list[str], bookstore: Bookstore, load: Load, skip: Callable[..., None], database_url: str, tmp_path: Path
) -> None:
    bookstore.fill(HOUR, csv_file([Purchase("ann", ENGLISH)]))
    load(HOUR)
    skip(HOUR + 2)
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_BOTO3, *arguments],
        cwd=tmp_path,
        env=os.environ | {"DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
