"""ISBNs: the form in which they are compared."""

from __future__ import annotations

import re


def canonical_isbn(isbn: str) -> str:
    """Return the form in which ISBNs are compared, as the database's function of this name does; other text is unchanged."""
    code = re.sub("[- \t\r\n\u00a0\u2010-\u2014\u2212]", "", isbn).replace("x", "X")
    if re.fullmatch("978[0-9]{10}", code):
        code = with_check_digit(code[3:12])
    elif re.fullmatch("[0-9]{1,9}|[0-9]{1,8}X", code):
        code = code.rjust(10, "0")
    return code if re.fullmatch("[0-9A-Z]{10}", code) and len(set(code)) > 1 else isbn


def with_check_digit(nine: str) -> str:
    """Return the ISBN-10 that starts with these nine digits (ISO 2108:1992, modulus 11)."""
    remainder = sum(place * int(digit) for place, digit in enumerate(nine, 1)) % 11
    return nine + ("X" if remainder == 10 else str(remainder))
