"""Names and texts as SQL, where parameters are not allowed."""

from __future__ import annotations


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return `value` as an SQL string literal, whatever standard_conforming_strings is."""
    text_ = value.replace("'", "''")
    return "E'" + text_.replace("\\", "\\\\") + "'" if "\\" in text_ else f"'{text_}'"
