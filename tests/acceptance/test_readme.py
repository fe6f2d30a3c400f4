import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


SETTINGS = {
    "BOOKREPORT_HEADER": "isbn10,user_id,price",
    "BOOKREPORT_SCHEMA": "public",
    "DATABASE_URL": "postgresql://127.0.0.1:1/nowhere",
    "S3_PREFIX": "elsewhere",
}
ENVIRONMENT = SETTINGS | {
    "AWS_PROFILE": "nobody",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGSSLMODE": "verify-full",
    "http_proxy": "http://127.0.0.1:1",
    "HTTPS_PROXY": "http://127.0.0.1:1",
}
"""Settings of a user who has set up more than the demo."""


def test_the_report_that_the_readme_shows_is_what_the_demo_prints_whatever_is_set(tmp_path: Path) -> None:
    shown = re.search(r"^```text\n(\$ bookreport report --hour .*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert shown
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in SETTINGS.items()))
    ran = subprocess.run(
        [sys.executable, "-m", "bookreport", "demo"],
        env=os.environ | ENVIRONMENT,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    # The README leaves out the smaller rows; the time of the catalogue differs in each run.
    made = re.compile(r"(?<=^Catalogue as of )[0-9: -]+(?= UTC)", re.MULTILINE)
    above, below = made.sub("then", shown[1]).split("…\n")
    _, found, rest = made.sub("then", ran.stdout).partition(above)
    assert found
    assert below in rest
