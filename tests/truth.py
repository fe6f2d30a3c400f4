"""The figures of a report in plain Python: an independent second way, sharing no code with what is tested."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Book:
    isbn10: str | None
    format: str | None
    language: str | None


@dataclass(frozen=True)
class Purchase:
    user_id: str
    isbn10: str
    quantity: int | None = 1
    unit_price: str | None = "10.00"
    sale_value: str | None = None
    purchased_at: str = "2024-05-01T13:05:00Z"

    @property
    def books(self) -> int:
        return 1 if self.quantity is None else self.quantity

    @property
    def value(self) -> Fraction:
        if self.sale_value is not None:
            return Fraction(self.sale_value)
        assert self.unit_price is not None
        return self.books * Fraction(self.unit_price)


def check_digit(nine: str) -> str:
    weighted = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), nine, strict=True))
    return "0123456789X"[-weighted % 11]


def canonical_isbn(isbn: str) -> str | None:
    """The code by which an ISBN matches a book; None for what is no ISBN."""
    code = re.sub(r"[\s\u2010-\u2014\u2212-]", "", isbn).replace("x", "X")
    if re.fullmatch(r"978\d{10}", code):
        code = code[3:12] + check_digit(code[3:12])
    elif re.fullmatch("[0-9]+X?", code):
        code = code.zfill(10)
    return code if re.fullmatch("[0-9A-Z]{10}", code) and set(code) != {code[0]} else None


def money(amount: Fraction) -> str:
    decimals = 2
    while amount * 10**decimals % 1:
        decimals += 1
    digits = str(int(amount * 10**decimals)).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def percent(part: int, whole: int) -> float | None:
    return (20_000 * part + whole) // (2 * whole) / 100 if whole else None


def report(purchases: Iterable[Purchase], books: Iterable[Book], language: str = "Spanish") -> dict[str, Any]:
    """What `bookreport.report/1` must say of these purchases: sales, unmatched, total and buyers."""
    shelf: dict[str, Book] = {}
    for book in books:
        if book.isbn10 is not None:
            code = canonical_isbn(book.isbn10)
            if code is not None:
                shelf[code] = min((book, shelf.get(code, book)), key=_order)
    sold: dict[tuple[str | None, str | None], list[Purchase]] = defaultdict(list)
    unmatched: list[Purchase] = []
    users, buyers = set(), set()
    for purchase in purchases:
        users.add(purchase.user_id)
        bought = shelf.get(canonical_isbn(purchase.isbn10) or "")
        if bought is None:
            unmatched.append(purchase)
            continue
        sold[_strip(bought.format), _strip(bought.language)].append(purchase)
        if _is_in(bought, language):
            buyers.add(purchase.user_id)
    sums = {group: _sums(of) for group, of in sold.items()}
    order = sorted(sums, key=lambda group: (-sums[group][1], *_nulls_last(*group)))
    total = _sums([*unmatched, *(purchase for of in sold.values() for purchase in of)])
    return {
        "sales": [
            {"format": group[0], "language": group[1], "books_sold": sums[group][0], "sale_value": money(sums[group][1])}
            for group in order
        ],
        "unmatched": {
            "books_sold": _sums(unmatched)[0],
            "sale_value": money(_sums(unmatched)[1]),
            "isbns": len({canonical_isbn(purchase.isbn10) or purchase.isbn10 for purchase in unmatched}),
        },
        "total": {"books_sold": total[0], "sale_value": money(total[1])},
        "buyers": {
            "language": language,
            "buyers": len(buyers),
            "users": len(users),
            "percent": percent(len(buyers), len(users)) if any(_is_in(book, language) for book in shelf.values()) else None,
        },
    }


def figures(document: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a report's JSON that `report` computes."""
    return {name: document[name] for name in ("sales", "unmatched", "total", "buyers")}


def _is_in(book: Book, language: str) -> bool:
    return (_strip(book.language) or "").casefold() == language.strip().casefold()


def _sums(purchases: list[Purchase]) -> tuple[int, Fraction]:
    return sum(purchase.books for purchase in purchases), sum((purchase.value for purchase in purchases), Fraction(0))


def _order(book: Book) -> tuple[bool, str, bool, str]:
    return _nulls_last(_strip(book.format), _strip(book.language))


def _nulls_last(format_: str | None, language: str | None) -> tuple[bool, str, bool, str]:
    return format_ is None, format_ or "", language is None, language or ""


def _strip(text: str | None) -> str | None:
    return None if text is None else text.strip(" \t\r\n")
