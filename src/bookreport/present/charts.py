"""The page's charts: as Vega-Lite specifications, and drawn as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from bookreport.hours import Span
from bookreport.present.words import named

if TYPE_CHECKING:
    from bookreport.reports import Sale

LABEL_ROOM = 11
"""Characters of a language that are shown beside its bar."""

TEXT, MUTED, BAR, GAP, GRID = "#1b1f24", "#57606a", "#1f5fa8", "#f3dcc4", "#d0d7de"
"""Colours of a standalone chart; the page's style sheet sets its own, for light and dark mode."""

CONFIG = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "text": {"color": TEXT, "fontSize": 12},
    "axis": {"labelColor": MUTED, "labelFontSize": 12, "domain": False, "ticks": False, "gridColor": GRID, "title": None},
    "view": {"stroke": None},
}


@dataclass(frozen=True)
class Step:
    """One hour or day of a line: its figure, and how many of its hours that covers; the figure is None if none."""

    span: Span
    hours: int
    figure: Decimal | None
    by_day: bool

    @property
    def has_gap(self) -> bool:
        return self.hours < len(self.span)

    @property
    def is_whole(self) -> bool:
        return not self.has_gap and len(self.span) == (24 if self.by_day else 1)


def bars(sales: Sequence[Sale], longest: int) -> dict[str, Any]:
    """Return the Vega-Lite specification of sorted bars, labelled on the left, with their numbers at their ends.

    `longest`: the books sold of the longest bar in all charts that are compared.
    """
    labels, width, row = 82, 146, 24
    rows = [
        {"place": place, "name": _label(sale.language), "books": sale.books_sold, "number": f"{sale.books_sold:,}"}
        for place, sale in enumerate(sales)
    ]
    # Two fifths of the width are reserved for the number at the end of the longest bar.
    books = _axis_free("books", "quantitative", {"domain": [0, longest * 1.7 or 1], "nice": False, "round": True})
    return {
        "width": width,
        "height": len(rows) * row,
        "autosize": "none",
        "padding": {"left": labels, "right": 0, "top": 0, "bottom": 0},
        "data": {"values": rows},
        "encoding": {"y": _axis_free("place", "ordinal", {"paddingInner": 0.35, "paddingOuter": 0.2, "round": True})},
        "layer": [
            {"name": "bar", "mark": {"type": "bar", "color": BAR}, "encoding": {"x": books}},
            {
                "name": "number",
                "mark": {"type": "text", "align": "left", "dx": 5},
                "encoding": {"x": books, "text": {"field": "number"}},
            },
            {
                "name": "label",
                "mark": {"type": "text", "align": "right", "dx": -8},
                "encoding": {"x": {"value": 0}, "text": {"field": "name"}},
            },
        ],
        "config": CONFIG,
    }


def _axis_free(field: str, type_: str, scale: dict[str, Any]) -> dict[str, Any]:
    return {"field": field, "type": type_, "axis": None, "scale": scale}


def _label(name: str | None) -> str:
    """Return as much of a name as fits beside a bar, by estimate.

    Vega can't be left to cut it: it would cut a character beyond U+FFFF in two, and fail.
    """
    whole, room, kept = named(name), float(LABEL_ROOM), ""
    for character in whole:
        room -= 2 if east_asian_width(character) in "WF" else 1.3 if character.isupper() else 1
        if room < 0:
            return f"{kept}…"
        kept += character
    return whole


def line(steps: Sequence[Step], *, by_day: bool) -> dict[str, Any]:
    """Return the Vega-Lite specification of a line that breaks at missing hours, and of bands that mark them.

    A partial day is a hollow point, and not part of the line.
    """
    rows = [_row(step) for step in steps]
    time = _time(steps, by_day=by_day)
    height = {"type": "quantitative", "scale": {"zero": True}, "axis": {"tickCount": 4, "format": ",~f"}}
    broken = {"type": "line", "color": BAR, "strokeWidth": 2, "invalid": "break-paths-show-path-domains"}
    dot = {"type": "point", "size": 14, "invalid": "filter"}
    whole = {"x": time | {"field": "middle"}, "y": height | {"field": "whole"}}
    part = {"x": time | {"field": "middle"}, "y": height | {"field": "part"}}
    return {
        "width": 400,
        "height": 180,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 0, "right": 20, "top": 8, "bottom": 0},
        "data": {"values": rows},
        "layer": [
            {
                "name": "gap",
                "transform": [{"filter": "datum.gap"}],
                "mark": {"type": "rect", "color": GAP},
                "encoding": {"x": time | {"field": "since"}, "x2": {"field": "until"}},
            },
            {"name": "line", "mark": broken, "encoding": whole},
            {"name": "dot", "mark": dot | {"filled": True, "color": BAR}, "encoding": whole},
            {"name": "part", "mark": dot | {"filled": False, "color": BAR, "size": 30}, "encoding": part},
        ],
        "config": CONFIG,
    }


def _row(step: Step) -> dict[str, Any]:
    """Return a step as a row of the line's data."""
    since, until = _milliseconds(step.span.since.start), _milliseconds(step.span.until.start)
    figure = None if step.figure is None else float(step.figure)
    return {
        "since": since,
        "until": until,
        "middle": (since + until) / 2,
        "whole": figure if step.is_whole else None,
        "part": None if step.is_whole else figure,
        "gap": step.has_gap,
    }


def _time(steps: Sequence[Step], *, by_day: bool) -> dict[str, Any]:
    """Return the time axis: from the first step to the last, in UTC."""
    ends = [_milliseconds(steps[0].span.since.start), _milliseconds(steps[-1].span.until.start)]
    midnight = "utcFormat(datum.value, '%-d %b')"
    clock = f"utchours(datum.value) ? utcFormat(datum.value, '%H:%M') : {midnight}"
    return {
        "type": "temporal",
        "scale": {"type": "utc", "domain": ends, "nice": False},
        "axis": {
            "labelExpr": midnight if by_day else clock,
            "grid": False,
            "values": [_milliseconds(instant) for instant in _ticks(steps, by_day=by_day)],
            "labelPadding": 6,
            "labelFlush": False,
        },
    }


def _ticks(steps: Sequence[Step], *, by_day: bool) -> list[datetime]:
    """Return the days, or the round hours, that are labelled below a line: seven at most."""
    starts = [step.span.since.start for step in steps]
    if by_day:
        days = [start for start in starts if start.hour == 0]
        return days[:: math.ceil(len(days) / 7)]
    every = next(hours for hours in (1, 2, 3, 6, 12, 24) if len(starts) <= 7 * hours)
    return [start for start in starts if start.hour % every == 0]


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000


def svg(specification: dict[str, Any]) -> Any:
    """Return a chart drawn as SVG, safe to embed in HTML as it is: the renderer escapes all text."""
    import vl_convert
    from markupsafe import Markup

    drawn = vl_convert.vegalite_to_svg(specification, vl_version="5.20", allowed_base_urls=[])
    tag, _, rest = drawn.partition(">")
    # In HTML, namespaces mean nothing, and they look like addresses.
    tag = tag.replace(' xmlns="http://www.w3.org/2000/svg"', "").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    return Markup(f"{tag}>{rest}")  # noqa: S704 - Vega escapes all text (test_hostile_names_are_text_and_nothing_else)
