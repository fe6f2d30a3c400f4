"""Rejects: records that were set aside, and how many of them an hour may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Reject:
    """A record of the file `key` that was set aside: the physical line it starts on (header = 1), why, and its text."""

    key: str
    line_number: int
    reason: str
    raw: str


class FirstRejects(list[Reject]):
    """The first rejects of an hour, for its messages and the ledger; limited in number, and in characters of text."""

    def __init__(self, most: int = 1000, most_text: int = 1 << 20) -> None:
        super().__init__()
        self._room, self._room_for_text = most, most_text

    def append(self, reject: Reject) -> None:
        """Keep `reject` if there is room."""
        self._room -= 1
        self._room_for_text -= len(reject.raw)
        if self._room >= 0 and self._room_for_text >= 0:
            super().append(reject)


@dataclass(frozen=True)
class RejectLimit:
    """How many rejects an hour may have: a count, or a percentage of its records.

    A percentage never means fewer than ten, provided that each of the hour's files has a good record.
    """

    count: int | None = None
    percent: Decimal | None = None

    @classmethod
    def parse(cls, text: str) -> RejectLimit:
        """Return the limit that `text` names, such as `100` or `0.5%`. Raises ValueError for anything else."""
        match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(%?)", text.strip())
        if match and match[2] and Decimal(match[1]) <= 100:
            return cls(percent=Decimal(match[1]))
        if match and not match[2] and match[1].isdigit():
            return cls(count=int(match[1]))
        raise ValueError(f"{text!r} is not a valid limit; write a count like 100, or a percentage like 1%")

    def allowed(self, records: int, *, each_file_has_rows: bool) -> int:
        """Return how many of an hour's `records` may be rejects."""
        if self.percent is None:
            return self.count or 0
        return max(10 if each_file_has_rows else 0, int(records * self.percent / 100))

    def __str__(self) -> str:
        return f"{self.count:,}" if self.percent is None else f"{self.percent}%"
