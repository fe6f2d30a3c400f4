import os
import stat
from pathlib import Path

from bookreport import metrics


def test_metrics_that_are_sent_to_a_pipe_or_a_device_do_not_put_a_file_in_its_place(tmp_path: Path) -> None:
    """As root, a file in the place of /dev/null would break every program of the machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    metrics.write(pipe, {"bookreport_last_exit_code": 0})
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert b"\nbookreport_last_exit_code 0.0\n" in os.read(reader, 1 << 16)
    os.close(reader)


def test_figures_that_are_not_given_keep_their_last_value(tmp_path: Path) -> None:
    file = tmp_path / "metrics.prom"
    metrics.write(file, {"bookreport_last_exit_code": 3, "bookreport_last_run_seconds": 1.5})
    metrics.write(file, {"bookreport_last_exit_code": 0})
    written = file.read_text().splitlines()
    assert {"bookreport_last_exit_code 0.0", "bookreport_last_run_seconds 1.5"} <= set(written)
