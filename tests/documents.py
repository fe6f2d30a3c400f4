"""The commands' JSON documents, checked against their schemas; a field that the schema lacks is an error too."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from bookreport import documents

DOCUMENT = re.compile(r'\{\s*"schema": "bookreport\.')


def read(text: str) -> Any:
    """Parse a document; fails unless it fits its schema."""
    return fitting(json.loads(text))


def fitting(document: Any) -> Any:
    """Return `document`; fails unless it fits the schema named in its field `schema`."""
    validator(document["schema"]).validate(document)
    return document


def read_all(folder: Path, arguments: Sequence[str], out: str, err: str) -> None:
    """Read every document that a command, run in `folder`, printed or wrote with -o; fails unless each fits its schema."""
    outputs = [folder / name for option, name in pairwise(arguments) if option in ("-o", "--output")]
    files = [file for output in outputs for file in output.parent.glob(output.name.replace("{hour}", "*")) if file.is_file()]
    written = [file.read_text(encoding="utf-8", errors="replace") for file in files]
    for text in (out, *err.splitlines()[-1:], *written):
        if DOCUMENT.match(text):
            read(text)


@cache
def validator(identity: str) -> Draft202012Validator:
    """Return the validator of a schema, such as `bookreport.report/1`, that allows no further fields."""
    (name,) = [name for name in documents.NAMES if f"bookreport.{name}/1" == identity]
    return Draft202012Validator(closed(documents.schema(name)))


def closed(schema: Any) -> Any:
    """Return a schema that allows no further fields; the published one does."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    room = {"additionalProperties": False} if "properties" in schema else {}
    return room | {name: closed(part) for name, part in schema.items()}
