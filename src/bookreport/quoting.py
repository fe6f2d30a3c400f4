"""Names and texts as SQL, where parameters are not allowed."""

from __future__ import annotations

import re

MOST_BYTES = 63
"""Bytes of a name in Postgres, which cuts a longer one in silence."""

_PART = r'(?:"(?:[^"]|"")+"|[^".\s]+)'
_TABLE = re.compile(rf"({_PART})(?:\.({_PART}))?")


def table_name(text: str) -> str:
    """Return `text` if it names a table as Postgres reads it: `table` or `schema.table`, each in quotes if it needs them.

    Raises ValueError for anything else.
    """
    match = _TABLE.fullmatch(text)
    names = [part.strip('"').replace('""', '"') for part in match.groups() if part] if match else [""]
    if any(not 0 < len(name.encode()) <= MOST_BYTES for name in names):
        raise ValueError(f"{text!r} is not the name of a table; write it like public.books")
    return text


def role_name(text: str) -> str:
    """Return the name of a role; raises ValueError if Postgres would cut it, or can have no such name."""
    if not 0 < len(text.encode()) <= MOST_BYTES:
        raise ValueError(f"{text!r} is not the name of a role: that has 1 to {MOST_BYTES} bytes")
    return text


def quoted(name: str) -> str:
    """Return `name` as an SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return `value` as an SQL string literal, whatever standard_conforming_strings is."""
    text_ = value.replace("'", "''")
    return "E'" + text_.replace("\\", "\\\\") + "'" if "\\" in text_ else f"'{text_}'"
