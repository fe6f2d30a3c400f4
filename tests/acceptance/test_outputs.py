"""What goes where: results to stdout, messages to stderr, files written whole."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import documents
from bookreport import __version__
from bookstore import ENGLISH, HOUR, SPANISH, UNKNOWN, Bookstore, csv_file, write_books
from connection import Sql
from running import Run
from truth import Book, Purchase

FILE = csv_file([Purchase("ana", ENGLISH), Purchase("bob", SPANISH), Purchase("eva", UNKNOWN)])


@pytest.fixture
def loaded(bookreport: Run, bookstore: Bookstore) -> None:
    bookstore.fill(HOUR, FILE)
    assert bookreport("ingest").code == 0


def test_the_result_is_on_stdout_and_all_else_on_stderr(bookreport: Run, bookstore: Bookstore) -> None:
    bookstore.fill(HOUR, FILE)
    ended = bookreport("run-hour")
    assert ended.out.startswith("Books sold, 2024-05-01T13 to 2024-05-01T14 UTC\n")
    assert "2024-05-01T13 loaded" in ended.err
    assert "loaded:" not in ended.out
    nothing = bookreport("run-hour")
    looked = f"searching from {HOUR + -24 * 7} on; to search the whole bucket: bookreport ingest --all\n"
    assert (nothing.code, nothing.out, nothing.err) == (0, "", f"{looked}nothing to load\n")


def test_quiet_says_nothing_on_success_and_errors_all_the_same(bookreport: Run, bookstore: Bookstore) -> None:
    bookstore.fill(HOUR, FILE)
    assert bookreport("-q", "ingest").err == ""
    assert bookreport("report", "--quiet").err == ""
    failed = bookreport("run-hour", "-q", "--hour", str(HOUR + 1))
    assert (failed.code, "is not complete" in failed.err) == (3, True)


def test_verbose_says_more_before_and_after_the_command(bookreport: Run, bookstore: Bookstore) -> None:
    bookstore.fill(HOUR, FILE)
    for arguments in (["-v", "ingest"], ["ingest", "-v"]):
        assert "S3 requests" in bookreport(*arguments).err


@pytest.mark.usefixtures("loaded")
def test_the_report_comes_in_every_format(bookreport: Run) -> None:
    document = documents.read(bookreport("report", "--format", "json").out)
    rows = list(csv.DictReader(io.StringIO(bookreport("report", "--format", "csv").out)))
    assert document["schema"] == "bookreport.report/1"
    assert [row["section"] for row in rows] == ["sales", "sales", "unmatched", "total", "buyers"]
    assert rows[3]["sale_value"] == document["total"]["sale_value"] == "30.00"
    assert rows[4]["percent"] == "33.33"
    assert "| **Total** |" in bookreport("report", "--format", "markdown").out
    assert "33.33% (1 of 3 users)" in bookreport("report").out


@pytest.mark.usefixtures("loaded")
def test_an_output_file_is_written_whole_or_not_at_all(bookreport: Run, tmp_path: Path) -> None:
    there = tmp_path / "report.json"
    ended = bookreport("report", "--json", "-o", str(there))
    assert (ended.code, ended.out) == (0, "")
    assert documents.read(there.read_text())["total"]["books_sold"] == 3
    there.write_text("yesterday's")
    assert bookreport("report", "--hour", str(HOUR + 1), "--json", "-o", str(there)).code == 3
    assert there.read_text() == "yesterday's"
    assert bookreport("report", "--format", "csv", "-o", str(there)).code == 0
    assert there.read_text().startswith("section,format,")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert there.stat().st_mode & 0o777 == 0o644


def test_an_output_that_can_not_be_written_is_told_before_anything_is_done(
    bookreport: Run, bookstore: Bookstore, sql: Sql, tmp_path: Path
) -> None:
    bookstore.fill(HOUR, FILE)
    ended = bookreport("ingest", "--json", "-o", str(tmp_path / "absent" / "run.json"))
    assert (ended.code, ended.out, ended.err.startswith("Error: can't write to the directory ")) == (6, "", True)
    assert sql("select count(*) from loads") == [(0,)]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["migrate"], "the books are in"),
        (["refresh"], "the catalogue is as of"),
        (["ingest"], "nothing to load"),
        (["ingest", "--dry-run"], "0 hours checked"),
        (["run-hour"], "nothing to load"),
        (["rejects"], "no rejects"),
        (["history", "--hour", "2020-01-01T00"], "no attempts"),
        (["verify"], "1 loaded hour compared; nothing differs"),
        (["prune", "--before", "2020-01-01T00"], "nothing to prune"),
        (["prune", "--rejects-before", "2020-01-01T00"], "0 raw texts of rejects were deleted"),
        (["skip", "--hour", "2020-01-01T00", "--reason", "lost", "--far"], "2020-01-01T00 is skipped"),
        (["erase", "--user", "nobody", "--yes"], "nothing to erase"),
        (["forget", "--hour", "2021-01-01T00", "--yes"], "nothing is known of these hours"),
        (["-q", "check"], "all checks passed"),
    ],
)
def test_an_empty_answer_replaces_what_a_file_told_before(
    bookreport: Run, tmp_path: Path, arguments: list[str], told: str
) -> None:
    (tmp_path / "answer.txt").write_text("yesterday's drift\n")
    ended = bookreport(*arguments, "-o", "answer.txt")
    assert (ended.code, ended.out) == (0, "")
    assert told in (tmp_path / "answer.txt").read_text()
    on_stdout = bookreport(*arguments)
    assert (on_stdout.code, on_stdout.out) == (0, "")


def test_drift_that_is_mended_goes_from_the_file_that_told_it(bookreport: Run, bookstore: Bookstore, tmp_path: Path) -> None:
    for number in (0, 1, 1000):
        bookstore.fill(HOUR + number, FILE)
    assert bookreport("ingest").code == 0
    # They are long before the look-back.
    for hour in (HOUR, HOUR + 1):
        bookstore.fill(hour, csv_file([Purchase("ana", ENGLISH, 7)]))
    ended = bookreport("verify", "--slice", "1/1", "-o", "drift.txt")
    assert ended.code == 4
    assert str(HOUR) in (tmp_path / "drift.txt").read_text()
    assert bookreport(*ended.err.rpartition("bookreport ")[2].split()).code == 0
    assert bookreport("verify", "-o", "drift.txt").code == 0
    assert (tmp_path / "drift.txt").read_text() == "3 loaded hours compared; nothing differs\n"


@pytest.mark.usefixtures("loaded")
def test_rejects_that_are_not_shown_are_told(bookreport: Run, sql: Sql) -> None:
    sql("insert into rejects select %s, 'a.csv', n, 'none', '' from generate_series(1, 850) n", HOUR.start)
    some, all_ = bookreport("rejects"), bookreport("rejects", "--hour", str(HOUR), "--limit", "850", "--json")
    assert (some.code, some.err, len(some.out.splitlines())) == (0, "100 of 850 are shown; --limit 850 for all\n", 102)
    assert (all_.err, all_.json["total"], len(all_.json["rejects"])) == ("", 850, 850)
    cut = bookreport("-q", "rejects", "--limit", "7", "--json")
    assert (cut.err, cut.json["total"], len(cut.json["rejects"])) == ("", 850, 7)
    assert bookreport("rejects", "--hour", str(HOUR + 1), "--json").json == {
        "schema": "bookreport.rejects/1",
        "total": 0,
        "rejects": [],
    }


@pytest.mark.usefixtures("loaded")
def test_a_file_that_is_there_keeps_its_mode_and_owner_and_a_link_its_target(bookreport: Run, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    there, link = tmp_path / "shared" / "report.json", tmp_path / "latest.json"
    there.write_text("yesterday's")
    there.chmod(0o640)
    os.chown(there, os.getuid(), max(os.getgroups(), default=os.getgid()))
    link.symlink_to("shared/report.json")
    before = there.stat()
    assert bookreport("report", "--json", "-o", "latest.json").code == 0
    assert link.is_symlink()
    assert json.loads(there.read_text())["total"]["books_sold"] == 3
    now = there.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [path.name for path in there.parent.iterdir()] == ["report.json"]
    (tmp_path / "next.json").symlink_to("shared/new.json")
    assert bookreport("report", "--json", "-o", "next.json").code == 0
    assert json.loads((tmp_path / "shared" / "new.json").read_text())["total"]["books_sold"] == 3
    (tmp_path / "nowhere.json").symlink_to("absent/new.json")
    assert bookreport("report", "--json", "-o", "nowhere.json").code == 6


@pytest.mark.usefixtures("loaded")
def test_a_dash_is_stdout_and_what_is_open_already_is_written_to(
    bookreport: Run, command: str, environment: dict[str, str], tmp_path: Path
) -> None:
    expected = bookreport("report", "--format", "csv").out
    for output in ("-", "/dev/stdout"):
        assert bookreport("report", "--format", "csv", "-o", output).out == expected
    assert [path.name for path in tmp_path.iterdir()] == []
    line = f"{{ echo before; {command} report --format csv -o /dev/stdout; echo after; }} > all.txt"
    subprocess.run(["bash", "-c", line], env=environment, cwd=tmp_path, check=True)
    assert (tmp_path / "all.txt").read_text() == f"before\n{expected}after\n"


@pytest.mark.parametrize("name", ["ingest", "report", "rejects", "history", "verify", "status", "check", "migrate", "refresh"])
def test_a_file_for_each_hour_is_refused_where_no_hour_is_meant(bookreport: Run, name: str, tmp_path: Path) -> None:
    for file in ("{hour}.json", "{hour}/report.json"):
        ended = bookreport(name, "-o", file)
        assert (ended.code, ended.out, "{hour}" in ended.err) == (2, "", True)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_folder_is_no_file_to_write_to(bookreport: Run, tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    ended = bookreport("status", "-o", "reports")
    assert (ended.code, "is a directory" in ended.err) == (2, True)


def test_what_would_steer_a_terminal_never_gets_there(bookreport: Run, bookstore: Bookstore, sql: Sql) -> None:
    steering = "\x1b]0;owned\x07\x1b[2J"
    write_books(sql, [Book(ENGLISH, steering, "Spanish")])
    bookstore.fill(
        HOUR, csv_file([Purchase("ana", ENGLISH)], {"user_id": f"user{steering}", "isbn10": "isbn", "unit_price": "price"})
    )
    bookstore.fill(HOUR + 1, FILE)
    ended = [bookreport("-v", "ingest"), bookreport("-v", "ingest", "--dry-run"), bookreport("report", "--last", "2h")]
    assert [each.code for each in ended] == [4, 4, 0]
    for each in ended:
        assert not set(each.out + each.err) & {"\x1b", "\x07"}


@pytest.mark.usefixtures("loaded")
def test_a_reader_that_has_seen_enough_is_no_failure(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} report --json | head -c 1"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{", "")


def test_a_closed_stdout_is_no_traceback(command: str, environment: dict[str, str], tmp_path: Path) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"{command} --help | true; echo ${{PIPESTATUS[0]}}"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("0\n", "")


def test_the_settings_may_stand_in_a_file(
    bookreport: Run, environment: dict[str, str], bookstore: Bookstore, tmp_path: Path
) -> None:
    bookstore.fill(HOUR, FILE)
    names = [name for name in environment if name not in ("PATH", "HOME")]
    text = "".join(f"{name}='{environment[name]}'\n" for name in names)
    unset = dict.fromkeys(names)
    (tmp_path / "job.env").write_text(text)
    assert bookreport("ingest", **unset).code == 6
    assert bookreport("--env-file", "job.env", "ingest", **unset).code == 0
    (tmp_path / "job.env").rename(tmp_path / ".env")
    assert bookreport("report", **unset).code == 0


def imported(environment: dict[str, str], tmp_path: Path, *arguments: str) -> set[str]:
    """Return the packages that a command imports."""
    code = (
        "import sys\nfrom bookreport.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "-q", *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stderr.split())


HEAVY = {"boto3", "botocore", "sqlalchemy", "psycopg2", "alembic", "rich", "jinja2", "dotenv"}


def test_help_imports_nothing_heavy(environment: dict[str, str], tmp_path: Path) -> None:
    for arguments in (["--help"], ["--version"]):
        assert not imported(environment, tmp_path, *arguments) & HEAVY


@pytest.mark.usefixtures("loaded")
def test_a_command_imports_what_it_needs_alone(environment: dict[str, str], tmp_path: Path) -> None:
    report = imported(environment, tmp_path, "report", "--json")
    assert not report & {"boto3", "botocore", "alembic"}
    for arguments in (["ingest"], ["run-hour"], ["ingest", "--dry-run"]):
        used = imported(environment, tmp_path, *arguments)
        assert "boto3" in used
        assert "alembic" not in used
    assert "alembic" in imported(environment, tmp_path, "migrate")


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_result_is_printed_whatever_the_locale(bookreport: Run, encoding: str) -> None:
    ended = bookreport("report", PYTHONIOENCODING=encoding)
    assert (ended.code, "Users who bought a book in Spanish" in ended.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "redirected", "told"),
    [
        ("schema run", "> /dev/full", "No space left on device"),
        ("--help", "> /dev/full", "No space left on device"),
        ("schema run", ">&-", "Bad file descriptor"),
        ("--version", "<&- >&-", "Bad file descriptor"),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_stdout_that_can_not_be_written_is_told(
    environment: dict[str, str], arguments: str, redirected: str, told: str, unbuffered: str
) -> None:
    ended = redirecting(environment | {"PYTHONUNBUFFERED": unbuffered}, arguments, redirected)
    hint = "Hint: free space where it goes, or send it elsewhere"
    assert (ended.returncode, ended.stderr) == (6, f"Error: stdout can't be written: {told}\n{hint}\n")


@pytest.mark.usefixtures("loaded")
def test_a_result_that_stdout_does_not_take_is_told_and_a_file_needs_none(environment: dict[str, str], tmp_path: Path) -> None:
    ended = redirecting(environment, "report --json", "> /dev/full")
    assert (ended.returncode, documents.read(ended.stderr)["kind"]) == (6, "config")
    ended = redirecting(environment, f"report --json -o {tmp_path / 'report.json'}", ">&-")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert documents.read((tmp_path / "report.json").read_text())["total"]["books_sold"] == 3


@pytest.mark.parametrize("redirected", ["2> /dev/full", "2>&-", "2> >(true)", "<&- 2>&-"])
def test_a_stderr_that_can_not_be_written_stops_no_load(
    environment: dict[str, str], bookstore: Bookstore, sql: Sql, redirected: str
) -> None:
    bookstore.fill(HOUR, FILE)
    ended = redirecting(environment, "-v ingest --json", redirected)
    assert (ended.returncode, documents.read(ended.stdout)["loaded"], ended.stderr) == (0, 1, "")
    assert sql("select status from ledger") == [("loaded",)]
    assert redirecting(environment, "ingest --hour never", redirected).returncode == 2


def redirecting(environment: dict[str, str], arguments: str, redirected: str) -> subprocess.CompletedProcess[str]:
    """Run a command with its streams redirected by a shell."""
    line = f'exec "$0" -m bookreport {arguments} {redirected}'
    return subprocess.run(["bash", "-c", line, sys.executable], env=environment, capture_output=True, text=True, check=False)


def test_the_version_is_that_of_the_package(bookreport: Run) -> None:
    assert bookreport("--version").out == f"bookreport, version {__version__}\n"


def test_every_command_explains_itself(bookreport: Run) -> None:
    help_ = bookreport("--help")
    assert help_.code == 0
    for command in ("migrate", "ingest", "report", "run-hour", "sample", "demo"):
        assert command in help_.out
        assert bookreport(command, "-h").out.startswith(f"Usage: bookreport {command} [OPTIONS]")
