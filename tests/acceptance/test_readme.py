import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_report_that_the_readme_shows_is_what_the_demo_prints() -> None:
    shown = re.search(r"^```text\n(\$ bookreport report --hour .*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert shown
    ran = subprocess.run(
        [sys.executable, "-m", "bookreport", "demo"], capture_output=True, text=True, encoding="utf-8", check=True
    )
    # The README leaves out the smaller rows; the time of the catalogue differs in each run.
    made = re.compile(r"(?<=^Catalogue as of )[0-9: -]+(?= UTC)", re.MULTILINE)
    above, below = made.sub("then", shown[1]).split("…\n")
    _, found, rest = made.sub("then", ran.stdout).partition(above)
    assert found
    assert below in rest
