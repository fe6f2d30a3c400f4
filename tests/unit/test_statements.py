"""Each .sql file lies with the one module that runs it."""

import ast
import re
from pathlib import Path

import bookreport

PACKAGE = Path(bookreport.__file__).parent
STATEMENTS = {file.relative_to(PACKAGE / "sql").with_suffix("").as_posix() for file in PACKAGE.glob("sql/**/*.sql")}
OWNERS = {statement.split("/")[0] for statement in STATEMENTS}
NAME = re.compile(rf"(?:{'|'.join(OWNERS)})/[a-z_]+")


def named(source: Path) -> set[str]:
    """Return the statements that a module names; a name is written out, so that it can be looked for."""
    strings = (node.value for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant))
    return {string for string in strings if isinstance(string, str) and NAME.fullmatch(string)}


def test_each_statement_is_run_by_its_owner_alone() -> None:
    by_module = {source.stem: found for source in PACKAGE.rglob("*.py") if (found := named(source))}
    assert by_module == {
        owner: {statement for statement in STATEMENTS if statement.startswith(f"{owner}/")} for owner in OWNERS
    }


def test_each_statement_begins_with_a_sentence() -> None:
    for statement in STATEMENTS:
        first = (PACKAGE / "sql" / f"{statement}.sql").read_text(encoding="utf-8").splitlines()[0]
        assert re.match(r"-- [A-Z]", first), statement
