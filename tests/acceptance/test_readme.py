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
    assert shown[1] in ran.stdout
