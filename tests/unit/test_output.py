import os
import stat
from pathlib import Path

import pytest

from bookreport.errors import Configuration
from bookreport.hours import Hour
from bookreport.output import Output

HOUR = Hour.parse("2024-05-01T13")


def test_the_hour_may_stand_in_a_name_more_than_once() -> None:
    each = Output.parse("reports/{hour}-of-{hour}.json", by_hour=True)
    assert each.is_by_hour
    assert each.of(HOUR) == Output(Path("reports/2024-05-01T13-of-2024-05-01T13.json"))
    assert not each.of(HOUR).is_by_hour


@pytest.mark.parametrize("text", ["{hour}/report.json", "a{hour}b/{hour}.json"])
def test_the_hour_belongs_in_no_folder(text: str) -> None:
    with pytest.raises(ValueError, match="not in the directory"):
        Output.parse(text, by_hour=True)


def test_a_dash_is_stdout_and_a_file_of_that_name_needs_its_folder() -> None:
    assert Output.parse("-", by_hour=False) == Output()
    assert Output.parse("./-", by_hour=False).path is not None


def test_stdout_has_what_a_file_would(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "hour,raw\n2024-05-01T13,\x1b[31mred\x1b[0m\n"
    Output().write(text)
    Output(tmp_path / "rejects.csv").write(text)
    assert capsys.readouterr().out == text
    assert (tmp_path / "rejects.csv").read_text(encoding="utf-8") == text


def test_nothing_is_left_behind_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "report.json"
    there.write_text("yesterday's")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(Configuration, match="No space left on device"):
        Output(there).write("today's")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"report.json": "yesterday's"}


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        Output(tmp_path / "new.txt").write("all is well")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.txt").stat().st_mode) == 0o640
    assert (tmp_path / "new.txt").read_text() == "all is well\n"


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    there = tmp_path / ("n" * 255)
    Output(there).write("all is well")
    assert there.read_text() == "all is well\n"


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    Output(tmp_path / "pipe").write("all is well")
    assert os.read(reader, 100) == b"all is well\n"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_links_that_lead_in_a_circle_are_no_file(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(Configuration, match="can't write"):
        Output(tmp_path / "one").write("all is well")
    assert (tmp_path / "one").is_symlink()
