"""The page's charts: as Vega-Lite specifications, and drawn as SVG."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from bookreport.calendars import Calendar, Step, Unit
from bookreport.hours import Hour
from bookreport.present.words import named

if TYPE_CHECKING:
    from bookreport.reports import Sale

LABEL_ROOM = 92
"""Pixels for a language beside its bar."""

FONT_SIZE = 12

TEXT, MUTED, BAR, GAP, GRID = "#1b1f24", "#57606a", "#1f5fa8", "#f3dcc4", "#d0d7de"
"""Colours of a standalone chart; the page's style sheet sets its own, for light and dark mode."""

CONFIG = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "text": {"color": TEXT, "fontSize": FONT_SIZE},
    "axis": {
        "labelColor": MUTED,
        "labelFontSize": FONT_SIZE,
        "labelLimit": 0,
        "domain": False,
        "ticks": False,
        "gridColor": GRID,
        "title": None,
    },
    "view": {"stroke": None},
}


@dataclass(frozen=True)
class Value:
    """The figure of a step of a line, and how many of the step's hours it covers; the figure is None if none."""

    step: Step
    hours: int
    figure: Decimal | None

    @property
    def has_gap(self) -> bool:
        return self.hours < len(self.step.span)

    @property
    def is_whole(self) -> bool:
        return not self.has_gap and self.step.is_whole


def bars(sales: Sequence[Sale], longest: int) -> dict[str, Any]:
    """Return the Vega-Lite specification of sorted bars, labelled on the left, with their numbers at their ends.

    `longest`: the books sold of the longest bar in all charts that are compared.
    """
    row, beside = 24, 8
    rows = [
        {"place": place, "name": _label(sale.language), "books": sale.books_sold, "number": f"{sale.books_sold:,}"}
        for place, sale in enumerate(sales)
    ]
    room = _width(f"{longest:,}") + beside
    width = max(140, room + 40)
    books = _axis_free("books", "quantitative", {"domain": [0, longest or 1], "range": [0, width - room], "nice": False})
    return {
        "width": width,
        "height": len(rows) * row,
        "autosize": "none",
        "padding": {"left": LABEL_ROOM + beside, "right": 0, "top": 0, "bottom": 0},
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
                "mark": {"type": "text", "align": "right", "dx": -beside},
                "encoding": {"x": {"value": 0}, "text": {"field": "name"}},
            },
        ],
        "config": CONFIG,
    }


def _axis_free(field: str, type_: str, scale: dict[str, Any]) -> dict[str, Any]:
    return {"field": field, "type": type_, "axis": None, "scale": scale}


def _width(text: str) -> int:
    """Return how wide a text may be, in pixels.

    It can't be measured: the reader's font is not the one that is here. By character, it is a tenth more than in the widest
    fonts that browsers use, such as Verdana and DejaVu Sans.
    """
    return math.ceil(sum(map(_em, text)) * FONT_SIZE)


def _em(character: str) -> float:
    if character.isdigit() or (character.islower() and character.isascii() and character not in "mw"):
        return 0.72
    return 1.4 if east_asian_width(character) in "WF" else 0.4 if character in " ,.:" else 1.1


def _label(name: str | None) -> str:
    """Return as much of a name as fits beside a bar.

    Vega can't be left to cut it: it would cut a character beyond U+FFFF in two, and fail.
    """
    whole = named(name)
    if _width(whole) <= LABEL_ROOM:
        return whole
    return next(f"{whole[:end]}…" for end in range(len(whole), -1, -1) if _width(f"{whole[:end]}…") <= LABEL_ROOM)


def line(values: Sequence[Value], before: Sequence[Value | None], by: Unit, calendar: Calendar) -> dict[str, Any]:
    """Return the Vega-Lite specification of a line that breaks at missing hours, and of bands that mark them.

    A partial step is a hollow point, and not part of the line. `before` has the values of the preceding span in the same
    places: a dashed line, of whole steps alone.
    """
    rows = [_row(value, compared) for value, compared in zip(values, before, strict=True)]
    known = [value.figure for value in [*values, *before] if value is not None and value.figure is not None]
    figures = _round_numbers(max(known, default=Decimal(0)))
    numbers = {float(figure): f"{figure:,f}" for figure in figures}
    dates = _dates(values, by, calendar)
    widest = max(map(_width, dates.values()), default=0)
    # A date is centred below the end of a line.
    left, right = max(*map(_width, numbers.values()), widest // 2) + 8, widest // 2 + 8
    width = max(400 - left - right, 200)
    time = _time(values, dict(islice(dates.items(), None, None, math.ceil(len(dates) * (widest + 4) / width) or 1)))
    height = {
        "type": "quantitative",
        "scale": {"domain": [0, max(numbers)], "nice": False},
        "axis": {"values": list(numbers), "labelExpr": _lookup(numbers, "datum.value")},
    }
    broken = {"type": "line", "color": BAR, "strokeWidth": 2, "invalid": "break-paths-show-path-domains"}
    dot = {"type": "point", "size": 14, "invalid": "filter"}
    whole = {"x": time | {"field": "middle"}, "y": height | {"field": "whole"}}
    part = {"x": time | {"field": "middle"}, "y": height | {"field": "part"}}
    return {
        "width": width,
        "height": 150,
        "autosize": "none",
        "padding": {"left": left, "right": right, "top": 10, "bottom": 26},
        "data": {"values": rows},
        "layer": [
            {
                "name": "gap",
                "transform": [{"filter": "datum.gap"}],
                "mark": {"type": "rect", "color": GAP},
                "encoding": {"x": time | {"field": "since"}, "x2": {"field": "until"}},
            },
            {
                "name": "before",
                "mark": broken | {"color": MUTED, "strokeWidth": 1.5, "strokeDash": [4, 3]},
                "encoding": {"x": time | {"field": "middle"}, "y": height | {"field": "before"}},
            },
            {"name": "line", "mark": broken, "encoding": whole},
            {"name": "dot", "mark": dot | {"filled": True, "color": BAR}, "encoding": whole},
            {"name": "part", "mark": dot | {"filled": False, "color": BAR, "size": 30}, "encoding": part},
        ],
        "config": CONFIG,
    }


def _row(value: Value, before: Value | None) -> dict[str, Any]:
    """Return a step as a row of the line's data."""
    since, until = _milliseconds(value.step.span.since), _milliseconds(value.step.span.until)
    figure = None if value.figure is None else float(value.figure)
    return {
        "since": since,
        "until": until,
        "middle": (since + until) / 2,
        "whole": figure if value.is_whole else None,
        "part": None if value.is_whole else figure,
        "before": None if before is None or before.figure is None or not before.is_whole else float(before.figure),
        "gap": value.has_gap,
    }


def _time(values: Sequence[Value], dates: Mapping[float, str]) -> dict[str, Any]:
    """Return the time axis: from the first step to the last."""
    ends = [_milliseconds(values[0].step.span.since), _milliseconds(values[-1].step.span.until)]
    return {
        "type": "temporal",
        "scale": {"type": "utc", "domain": ends, "nice": False},
        "axis": {
            "values": list(dates),
            "labelExpr": _lookup(dates, "time(datum.value)"),
            "grid": False,
            "labelPadding": 6,
            "labelFlush": False,
            "labelOverlap": False,
        },
    }


def _dates(values: Sequence[Value], by: Unit, calendar: Calendar) -> dict[float, str]:
    """Return the instants that may be labelled below a line, with their labels: round hours, days, weeks or months."""
    # A partial step at the start does not begin with a round one.
    begin = [value.step.span.since for value in (values if values[0].step.is_whole else values[1:])]
    starts = {hour: calendar.local(hour) for hour in begin}
    if by is Unit.HOUR:
        every = next((hours for hours in (1, 2, 3, 6, 12) if len(starts) <= 6 * hours), 24)
        starts = {hour: local for hour, local in starts.items() if local.hour % every == 0}
    years = {local.year for local in starts.values()}

    def label(local: datetime) -> str:
        if by is Unit.HOUR and local.hour:
            return f"{local:%H:%M}"
        if by is Unit.MONTH:
            return f"{local:%b}" if len(years) == 1 else f"{local:%b %Y}"
        return f"{local.day} {local:%b}"

    return {_milliseconds(hour): label(local) for hour, local in starts.items()}


def _round_numbers(highest: Decimal) -> list[Decimal]:
    """Return round numbers at equal distances from 0 to `highest`, or right above it: five at most."""
    highest = highest or Decimal(1)
    steps = (Decimal(step).scaleb(highest.adjusted()) for step in ("0.25", "0.5", "1", "2", "2.5"))
    step = next(step for step in steps if 4 * step >= highest)
    return [(step * number).normalize() for number in range(math.ceil(highest / step) + 1)]


def _lookup(labels: Mapping[float, str], value: str) -> str:
    """Return the expression of a value's label."""
    return f"{json.dumps(list(labels.values()))}[indexof({json.dumps(list(labels))}, {value})]"


def _milliseconds(hour: Hour) -> float:
    return hour.start.timestamp() * 1000


def svg(specification: dict[str, Any]) -> Any:
    """Return a chart drawn as SVG, safe to embed in HTML as it is: the renderer escapes all text."""
    import vl_convert
    from markupsafe import Markup

    drawn = vl_convert.vegalite_to_svg(specification, vl_version="5.20", allowed_base_urls=[])
    tag, _, rest = drawn.partition(">")
    # In HTML, namespaces mean nothing, and they look like addresses.
    tag = tag.replace(' xmlns="http://www.w3.org/2000/svg"', "").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "")
    return Markup(f"{tag}>{rest}")  # noqa: S704 - Vega escapes all text (test_hostile_names_are_text_and_nothing_else)
