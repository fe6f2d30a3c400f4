"""The JSON documents that commands print, and their JSON Schemas (draft 2020-12)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "schemas"
_REFERENCE = re.compile(r'"\$ref": "urn:bookreport:([a-z]+):')

NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))
"""The documents by name: one whose `schema` is bookreport.NAME/1 conforms to `schema(NAME)`."""


def schema(name: str) -> dict[str, Any]:
    """Return the JSON Schema of the document `name`, self-contained: what it refers to is among its `$defs`."""
    text = (_FOLDER / f"{name}.json").read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    for other in _REFERENCE.findall(text):
        made.setdefault("$defs", {})[other] = schema(other)
    return made
