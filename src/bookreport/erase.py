"""Erasing a person: a user's id becomes a random one wherever it is stored, and every figure stays as it was."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bookreport import days, purchases
from bookreport.database import Database
from bookreport.hours import Hour
from bookreport.rows import BLANKS

_MOST_QUOTED = 50
"""Characters of a value that a reject's reason quotes at most."""

_SEPARATORS = ",;|\t\r\n"
_FIELD = '(?:"(?:[^"]|"")*"|[^",]*)'
_NUMBER = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?")


@dataclass(frozen=True)
class Trace:
    """Where users stand in one hour: in how many purchases, rejects, and errors (its last one, and those of its attempts)."""

    hour: Hour
    rows: int = 0
    rejects: int = 0
    errors: int = 0


def traces(database: Database, users: Sequence[str]) -> dict[str, list[Trace]]:
    """Return the hours in which each of `users` stands, oldest first; reads all purchases once, and all rejects for each."""
    found: dict[str, list[Trace]] = {user: [] for user in users}
    with database.transaction(snapshot=True) as transaction:
        for row in transaction.rows("erase/purchases", users=list(users)):
            found[row.user_id].append(Trace(Hour(row.hour), rows=row.rows))
        for user in users:
            for row in transaction.rows("erase/mentions", **_patterns(user)):
                found[user].append(Trace(Hour(row.hour), rejects=row.rejects, errors=row.errors))
    return {user: by_hour(of_user) for user, of_user in found.items()}


def by_hour(found: Iterable[Trace]) -> list[Trace]:
    """Return one trace for each hour of `found`, oldest first."""
    sums: dict[Hour, Trace] = {}
    for each in found:
        so_far = sums.get(each.hour, Trace(each.hour))
        sums[each.hour] = Trace(each.hour, so_far.rows + each.rows, so_far.rejects + each.rejects, so_far.errors + each.errors)
    return [sums[hour] for hour in sorted(sums)]


def erase(database: Database, hours: Mapping[str, Sequence[Hour]]) -> list[Trace]:
    """Give each user a random id in these of their `hours`; return what was changed.

    All of it is one transaction, which holds the lock of each hour, as a load does: neither sees the other half done. Nobody
    is told the new id, and it can't be derived from the old one. Raises Locked if a lock is not granted, with nothing changed.
    """
    changed: list[Trace] = []
    if not any(hours.values()):
        return changed
    with database.transaction() as transaction:
        transaction.lock(days.LOCK, *{hour.instant for each in hours.values() for hour in each})
        for user, of_user in hours.items():
            other = f"erased-{secrets.token_hex(16)}"
            renamed = transaction.rows(
                "erase/rename",
                user=user,
                other=other,
                hours=[hour.start for hour in of_user],
                blanks=BLANKS,
                with_before=rf"\1{other}",
                with_quotes=rf"\1{other}\1",
                **_patterns(user),
            )
            transaction.run("erase/rename_user", user=user, other=other)
            changed += [Trace(Hour(row.hour), row.rows, row.rejects, row.errors) for row in renamed]
    made = by_hour(changed)
    for table in sorted({purchases.tables_of(trace.hour)[0] for trace in made if trace.rows}):
        database.vacuum(table)
    if any(trace.rejects for trace in made):
        database.vacuum("rejects")
    return made


def _patterns(user: str) -> dict[str, object]:
    """Return what finds a user's id in texts: regular expressions in Postgres's dialect.

    `anywhere`: a whole field of a record; a reject may be no good CSV, so quotes around it count no more than blanks, and
    those within it may be doubled or not. Only an id that `is_number`, and could be a price, needs its place: `in_place` is
    the field behind {PLACE} others, in a record that is `whole`, which is CSV with {COMMAS} commas. `quoted`: a value that a
    reason or an error quotes, as `repr` writes it.
    """
    is_number = _NUMBER.fullmatch(user) is not None
    spelled = _any_of(user, user.replace('"', '""'))
    field = f'[{BLANKS}"=]*)(?:{spelled})(?=[{BLANKS}"]*'
    anywhere = f"((?:^|[{_SEPARATORS}]){field}(?:$|[{_SEPARATORS}]))"
    # A longer value is cut; blanks before it count.
    cuts = [f"{user[: _MOST_QUOTED - blanks]}…" for blanks in range(10) if len(user) > _MOST_QUOTED - blanks]
    values = [user, *cuts]
    blanks = _any_of(*BLANKS, *(repr(blank)[1:-1] for blank in BLANKS))
    value = f"(?:{blanks})*(?:{_any_of(*values, *(repr(value)[1:-1] for value in values))})(?:{blanks})*"
    # A number that follows a column's name is that column's value.
    before = "(?<![[:alnum:]_] )" if is_number else ""
    return {
        "is_number": is_number,
        "anywhere": anywhere,
        "whole": f"^{_FIELD}(?:,{_FIELD}){{COMMAS}}$",
        "in_place": f"(^(?:{_FIELD},){{PLACE}}{field}(?:$|,))",
        "quoted": rf"{before}(?<![[:alnum:]'\"])(['\"]){value}\1(?![[:alnum:]'\"])",
    }


def _any_of(*texts: str) -> str:
    return "|".join(re.sub(r"([^\w])", r"\\\1", text) for text in sorted(set(texts), key=len, reverse=True))
