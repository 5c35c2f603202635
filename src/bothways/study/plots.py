"""The report's plots as inline SVG, all but its lines (line_plot.py): coloured by the page's style sheet, so they follow light
and dark.

Classes: `arm0`, `arm1`, ... colour the arms; `axis`, `grid`, `label`, `zone` and so on are told in templates/style.css.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bothways.study.svg import dot, line, opening, rect, text


@dataclass(frozen=True)
class ForestRow:
    """One difference. `kind`: primary, plain or gate. `low` and `high` None: no interval."""

    label: str
    value: float
    low: float | None
    high: float | None
    kind: str = "plain"


@dataclass(frozen=True)
class Mark:
    """One arm on a bullet."""

    colour: str
    value: float
    low: float | None
    high: float | None
    title: str


def forest(rows: Sequence[ForestRow], minimum_effect: float, left: str, right: str, what: str) -> str:
    """Differences with intervals around zero. `left` and `right` say what lies on either side."""
    width, row_px, top, names_px, numbers_px = 940, 25, 34, 190, 220
    height = top + row_px * len(rows) + 30
    reach = _reach([end for row in rows for end in (row.value, row.low, row.high, minimum_effect) if end is not None])
    span = width - names_px - numbers_px

    def x(value: float) -> float:
        return names_px + span * (value + reach) / (2 * reach)

    parts = [
        opening(width, height, what),
        rect(x(-minimum_effect), top - 6, x(minimum_effect) - x(-minimum_effect), height - top - 20, "zone"),
    ]
    for tick in ticks(-reach, reach):
        parts.append(line(x(tick), top - 6, x(tick), height - 26, "zero" if abs(tick) < 1e-9 else "grid"))
        parts.append(text(x(tick), height - 10, f"{tick:+g}".replace("-", "−") if tick else "0", "tick", "middle"))
    parts += [text(x(0) - 10, 14, f"← {left}", "side", "end"), text(x(0) + 10, 14, f"{right} →", "side", "start")]
    for number, row in enumerate(rows):
        y = top + row_px * number + row_px / 2
        parts.append(text(names_px - 14, y + 4, row.label, f"name {row.kind}", "end"))
        if row.low is not None and row.high is not None:
            parts.append(line(x(row.low), y, x(row.high), y, f"whisker {row.kind}"))
        parts.append(
            f'<circle class="dot {row.kind}" cx="{x(row.value):.1f}" cy="{y:.1f}" r="{5.5 if row.kind == "primary" else 4}"/>'
        )
        interval = "" if row.low is None else f"  [{signed(row.low)}, {signed(row.high or 0.0)}]"
        parts.append(text(width - numbers_px + 16, y + 4, f"{signed(row.value)}{interval}", f"number {row.kind}", "start"))
    return "".join([*parts, "</svg>"])


def bullet(marks: Sequence[Mark], chance: float | None, ceiling: float | None) -> str:
    """A share between 0 and 1: the room between chance and ceiling as a band, each arm as a dot with its interval."""
    width, row_px = 130, 9
    height = row_px * max(1, len(marks)) + 8

    def x(value: float) -> float:
        return 4 + (width - 8) * min(max(value, 0.0), 1.0)

    parts = [opening(width, height, "between chance and ceiling"), rect(4, 2, width - 8, height - 4, "track")]
    if chance is not None:
        end = 1.0 if ceiling is None else ceiling
        parts.append(rect(x(chance), 2, max(0.0, x(end) - x(chance)), height - 4, "room"))
        parts.append(line(x(chance), 1, x(chance), height - 1, "chance"))
    for number, mark in enumerate(marks):
        y = 4 + row_px * number + row_px / 2
        if mark.low is not None and mark.high is not None:
            parts.append(line(x(mark.low), y, x(mark.high), y, f"bar {mark.colour}"))
        parts.append(dot(x(mark.value), y, 3.4, mark.colour, mark.title))
    return "".join([*parts, "</svg>"])


def _reach(values: Sequence[float]) -> float:
    return max(0.02, 1.08 * max(abs(value) for value in values))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers inside the range."""
    raw = (high - low) / about
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw)
    return [round(k * step, 10) for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def signed(value: float) -> str:
    """+0.067, with a true minus sign."""
    return f"{value:+.3f}".replace("-", "−")
