"""What a message may say: one line of bounded length, no secret, and no character that steers a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

MOST = 2_000
"""Characters of a message; a server may send megabytes."""

MOST_TRACED = 40_000
"""Characters of a traceback: its beginning and its end."""

HIDDEN = "***"

_SHORTEST_SECRET, _LONG_SECRET = 4, 12

_LINE_ENDS = re.compile(r"\s*[\n\v\f\r\x85\u2028\u2029]\s*")
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)
)
_BEYOND_ASCII = rf"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff{_NONCHARACTERS}"
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(rf"[\x00-\x1f{_BEYOND_ASCII}]")
_CONTROL_IN_JSON = re.compile(rf"[{_BEYOND_ASCII}]")


class Secrets:
    """The secrets of the running command, which whatever it says must not show.

    Stars in the place of a word that occurs by itself would garble messages, and tell that word to whoever reads them. So a
    secret of four to eleven characters is hidden only where no letter or digit is next to it, and a shorter one nowhere: it is
    in many words, and guessed within seconds anyway.
    """

    def __init__(self) -> None:
        self._pattern: re.Pattern[str] | None = None

    def keep(self, values: Iterable[str]) -> None:
        """Hide `values` from now on, and no others: as they are, percent-encoded, percent-decoded, or as Python quotes them."""
        forms = {form for value in values for form in (value, unquote(value), quote(value, safe=""), repr(value)[1:-1])}
        # The longest first: one secret may be part of another.
        known = sorted((form for form in forms if len(form) >= _SHORTEST_SECRET), key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(self._wherever, known))) if known else None

    @staticmethod
    def _wherever(form: str) -> str:
        return re.escape(form) if len(form) >= _LONG_SECRET else rf"(?<![^\W_]){re.escape(form)}(?![^\W_])"

    def hide(self, text: str) -> str:
        """Return `text` with stars for the secrets in it."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)


SECRETS = Secrets()
"""Those of this process, which `Settings.load` finds."""


def sentence(text: str, most: int = MOST) -> str:
    """Return `text` as one line of at most `most` characters, without secrets, control characters made visible."""
    line = plain(_LINE_ENDS.sub(" ", SECRETS.hide(text)))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def traced(text: str) -> str:
    """Return a traceback without secrets, its lines' control characters made visible; one too long lacks its middle."""
    half = MOST_TRACED // 2
    shown = plain(SECRETS.hide(text), keep="\n")
    return shown if len(shown) <= MOST_TRACED else f"{shown[:half]}\n…\n{shown[-half:]}"


def plain(text: str, *, keep: str = "") -> str:
    """Return `text` with what it must not do to a terminal made visible, except the characters of `keep`.

    That is control characters (C0, C1, line ends), marks that change the direction of text, noncharacters and surrogates.
    """
    return _CONTROL.sub(lambda match: match[0] if match[0] in keep else ascii(match[0])[1:-1], text)


def is_utf8(text: str) -> bool:
    """Return whether what the operating system gave as `text` was UTF-8: Python has lone surrogates for other bytes."""
    return not _SURROGATE.search(text)


def json_text(document: object, *, indent: int | None = None) -> str:
    """Return a document as JSON that reads well on a terminal: only what `plain` would make visible is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    return _CONTROL_IN_JSON.sub(lambda match: json.dumps(match[0])[1:-1], text)
