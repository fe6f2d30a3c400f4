"""Rejects: records that were set aside, and how many of them an hour may have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from bookreport.errors import TooManyRejects

SHORTEST_ROW = len(b"u,i\n")
"""Bytes of the shortest record that can be good, whatever its file's columns: a user and an ISBN."""


MOST_KINDS, MOST_FILES = 5, 3
"""Kinds of rejects, and files, that an error names one by one."""

MOST_RAW = 200
"""Characters of a record that an error shows."""

_VALUES = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[0-9][0-9,]*""")


class Reject(NamedTuple):
    """A record of the file `key` that was set aside: the physical line it starts on (header = 1), why, and its text."""

    key: str
    line_number: int
    reason: str
    raw: str

    @property
    def kind(self) -> str:
        """The reason without what differs from record to record: values that it quotes, and numbers."""
        return _VALUES.sub("…", self.reason)


class FirstRejects(list[Reject]):
    """The first rejects of an hour, for its messages and the ledger; limited in number, and in characters of text."""

    def __init__(self, most: int = 1000, most_text: int = 1 << 20) -> None:
        super().__init__()
        self._room, self._room_for_text = most, most_text

    @property
    def is_full(self) -> bool:
        return self._room <= 0 or self._room_for_text <= 0

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


class HourRejects:
    """The rejects of one hour, while its files are read: how many, the first of them, and whether they pass the limit.

    `most_bytes`: for each file of the hour, how many bytes it can have, unpacked. `hour` and `folder`, the address that its
    files are below, are for the error; `are_kept`: the ledger keeps the first rejects if there are too many.
    """

    def __init__(
        self, limit: RejectLimit, most_bytes: Mapping[str, int], *, hour: str = "HOUR", folder: str = "", are_kept: bool = False
    ) -> None:
        self.first = FirstRejects()
        self.count = 0
        self._hour, self._folder, self._are_kept = hour, folder, are_kept
        self._kinds: Counter[str] = Counter()
        self._files: Counter[str] = Counter()
        self._limit = limit
        self._rows: dict[str, int] = {}
        self._most_rows = 0
        self._each_file_has_rows = True
        for key, most in most_bytes.items():
            self.expect(key, most, SHORTEST_ROW)

    def expect(self, key: str, most_bytes: int, shortest_row: int) -> None:
        """Say how many bytes the file `key` can have, and how many its shortest good record."""
        # The last one may lack its line end.
        self._expect_rows(key, (most_bytes + 1) // shortest_row)

    def count_file(self, key: str, rows: int, rejected: int) -> None:
        """Say how many records of the file `key` were good, and how many set aside."""
        self._expect_rows(key, rows)
        self._each_file_has_rows &= bool(rows or not rejected)

    def append(self, reject: Reject) -> None:
        """Count `reject`, and keep it if it is one of the first.

        Raises TooManyRejects once there are as many as the ledger keeps, and the limit is passed even if all that was not
        read yet is good.
        """
        self.count += 1
        self._kinds[reject.kind] += 1
        self._files[reject.key] += 1
        self.first.append(reject)
        if self.first.is_full and self.count > self._allowed(each_file_has_rows=True):
            raise self._too_many(
                f"reading stopped at line {reject.line_number:,} of {self._folder}{reject.key}: {self.count:,} records are bad,"
                f" more than the limit of {self._limit} even if the rest is good",
                "100%",
            )

    def require_within_limit(self) -> None:
        """Raise TooManyRejects if they pass the limit, now that all files are counted."""
        if self.count > self._allowed(each_file_has_rows=self._each_file_has_rows):
            records = self.count + self._most_rows
            told = f"{self.count:,} of {records:,} records are bad, more than the limit of {self._limit}"
            raise self._too_many(told, str(self.count))

    def _expect_rows(self, key: str, most: int) -> None:
        self._most_rows += most - self._rows.get(key, 0)
        self._rows[key] = most

    def _allowed(self, *, each_file_has_rows: bool) -> int:
        return self._limit.allowed(self.count + self._most_rows, each_file_has_rows=each_file_has_rows)

    def _too_many(self, what: str, enough: str) -> TooManyRejects:
        """Return the error: each kind of reject with its number and an example; a limit of `enough` would let the hour in."""
        kinds, details = [], []
        for kind, number in self._kinds.most_common(MOST_KINDS):
            like = f"{number:,} like " if number > 1 else ""
            example = self._example(kind)
            if example is None:
                kinds.append(f"{number:,}: {kind}")
                details.append(kinds[-1])
            else:
                kinds.append(f"{like}{example.key} line {example.line_number:,}: {example.reason}")
                details.append(f"{kinds[-1]}: {example.raw[:MOST_RAW]}")
        if more := len(self._kinds) - len(kinds):
            kinds.append(f"and {more:,} more kinds")
            details.append(kinds[-1])
        return TooManyRejects(what, kinds, details, [reject._asdict() for reject in self.first], hint=self._hint(enough))

    def _example(self, kind: str) -> Reject | None:
        """Return the first reject with the commonest reason of this kind; None if none was kept."""
        those = [reject for reject in self.first if reject.kind == kind]
        if not those:
            return None
        ((reason, _),) = Counter(reject.reason for reject in those).most_common(1)
        return next(reject for reject in those if reject.reason == reason)

    def _hint(self, enough: str) -> str:
        files = [f"{self._folder}{key}" for key, _ in self._files.most_common(MOST_FILES)]
        more = f" and {len(self._files) - len(files):,} more files" if len(self._files) > len(files) else ""
        seen = f"; to see the records: bookreport rejects --hour {self._hour}" if self._are_kept else ""
        return (
            f"have the producer mend {', '.join(files)}{more}{seen}; only if that can't be, load the hour without these"
            f" records: bookreport run-hour --hour {self._hour} --reject-limit {enough}"
        )
