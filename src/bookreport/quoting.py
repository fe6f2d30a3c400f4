"""Names and texts as SQL, where parameters are not allowed."""

from __future__ import annotations


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return `value` as an SQL string literal, whatever standard_conforming_strings is."""
    text_ = value.replace("'", "''")
    return "E'" + text_.replace("\\", "\\\\") + "'" if "\\" in text_ else f"'{text_}'"


LONGEST_NAME = 63
"""Bytes of the longest name in Postgres, which cuts longer ones in silence (manual, section 4.1.1)."""


def parse_name(text: str) -> str:
    """Return `text` if it can be a name in Postgres; raises ValueError if it is empty, too long, or has a NUL."""
    if not text or "\0" in text or len(text.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        raise ValueError(f"{text!r} is no name for Postgres: it has 1 to {LONGEST_NAME} bytes")
    return text
