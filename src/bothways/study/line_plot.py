"""Lines over a number (steps, a position, operations) as inline SVG, with intervals; and several plots as one file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from bothways.study.page import TEMPLATES
from bothways.study.plots import ticks
from bothways.study.svg import dot, line, opening, text

SHAPE = (360, 240)
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 30, 40
MOST_TICKS = 7
LABEL_PX = 30  # from one number below the plot to the next, where places are told as they are
Point = tuple[float, float, float | None, float | None]  # x, y, low, high


@dataclass(frozen=True)
class Curve:
    """One line. `colour` is a class of the style sheet (`arm0`); `names`, one a point, stand beside the points; `dashed`: a
    yardstick; `joined` false: points alone."""

    name: str
    colour: str
    points: Sequence[Point]
    names: Sequence[str] = ()
    dashed: bool = False
    joined: bool = True


@dataclass(frozen=True)
class Axis:
    """`span`: both ends, beyond which points are drawn at the edge; None: those of the points. `scale`: what is equally far
    apart (`math.log`: powers). `told`: the places that stand below it, as far as they fit; none: round numbers."""

    label: str
    span: tuple[float, float] | None = None
    scale: Callable[[float], float] = float
    told: Sequence[float] = ()

    def ends(self, values: Sequence[float]) -> tuple[float, float]:
        low, high = self.span or (min(values), max(values))
        if self.scale is not float:
            return low, high if high > low else 2 * low or 1.0
        pad = 0.0 if self.span else 0.05 * (high - low) or 0.1
        return low - pad, high + pad

    def share(self, value: float, low: float, high: float) -> float:
        """How far along the axis, 0 to 1."""
        at, first, last = (self.scale(one) for one in (min(max(value, low), high), low, high))
        return (at - first) / (last - first)

    def ticks(self, low: float, high: float) -> list[float]:
        """The numbers that stand beside it."""
        if self.told:
            return self._spaced(low, high)
        if self.scale is math.log:
            powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for factors in ((1, 2, 5), (1, 3), (1,)):
                inside = [factor * 10.0**power for power in powers for factor in factors]
                inside = [value for value in inside if low <= value <= high]
                if len(inside) <= MOST_TICKS:
                    break
            if len(inside) > 1:
                return inside
        return ticks(low, high)

    def _spaced(self, low: float, high: float) -> list[float]:
        """Places whose labels do not run into each other; the last is always there."""
        least, kept = LABEL_PX / (SHAPE[0] - LEFT - RIGHT), []
        for place in sorted(set(self.told), reverse=True):
            if not kept or self.share(kept[-1], low, high) - self.share(place, low, high) >= least:
                kept.append(place)
        return kept


def line_plot(title: str, curves: Sequence[Curve], across: Axis, up: Axis, levels: Mapping[str, float] = {}) -> str:
    """The plot. `levels`: name -> a dashed horizontal line (chance, a ceiling)."""
    width, height = SHAPE
    points = [point for one in curves for point in one.points]
    first, last = across.ends([point[0] for point in points])
    low, high = up.ends([end for point in points for end in point[1:] if end is not None] + list(levels.values()))

    def x(value: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * across.share(value, first, last)

    def y(value: float) -> float:
        return TOP + (height - TOP - BOTTOM) * (1 - up.share(value, low, high))

    parts = [opening(width, height, title), text(6, 16, title, "title")]
    for tick in up.ticks(low, high):
        parts += [
            line(LEFT, y(tick), width - RIGHT, y(tick), "grid"),
            text(LEFT - 6, y(tick) + 3.5, _told(tick), "tick", "end"),
        ]
    parts += [text(x(tick), height - 24, _told(tick), "tick", "middle") for tick in across.ticks(first, last)]
    parts.append(text((LEFT + width - RIGHT) / 2, height - 7, f"{across.label} · {up.label}", "tick", "middle"))
    for name, value in levels.items():
        parts += [
            line(LEFT, y(value), width - RIGHT, y(value), "chance"),
            text(width - RIGHT, y(value) - 3, name, "tick", "end"),
        ]
    for one in curves:
        at = [(x(a), y(b), *(None if end is None else y(end) for end in ends)) for a, b, *ends in one.points]
        told = [f"{one.name}, {across.label} {_told(a)}: {b:.3f}" for a, b, *_ in one.points]
        parts += _drawn(one, at, told)
    return "".join([*parts, "</svg>"])


def _drawn(one: Curve, points: Sequence[Point], told: Sequence[str]) -> list[str]:
    """`points` where they lie on the page, and what each tells under the pointer."""
    parts = []
    banded = [point for point in points if point[2] is not None and point[3] is not None]
    if len(banded) > 12:  # so many that bars would be a fence
        edge = [f"{a:.1f},{low:.1f}" for a, _, low, _ in banded]
        edge += [f"{a:.1f},{high:.1f}" for a, *_, high in reversed(banded)]
        parts.append(f'<polygon class="band {one.colour}" points="{" ".join(edge)}"/>')
    else:
        parts += [line(a, low or 0.0, a, high or 0.0, f"bar {one.colour}") for a, _, low, high in banded]
    if one.joined:
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b, *_ in points)
        dash = ' stroke-dasharray="5 4"' if one.dashed else ""
        parts.append(f'<polyline class="curve {one.colour}" points="{path}"{dash}/>')
    if len(points) <= 24:
        parts += [dot(a, b, 2.8, one.colour, title) for (a, b, *_), title in zip(points, told, strict=True)]
    parts += [text(a, b - 7, name, "tick", "middle") for (a, b, *_), name in zip(points, one.names, strict=False)]
    return parts


def sheet(plots: Sequence[str], names: Mapping[str, str], columns: int = 3) -> str:
    """Plots as one SVG file that needs no page: side by side on white, above them `names`, what is drawn in which colour (name
    -> class)."""
    width, height = SHAPE
    rows = -(-len(plots) // columns)
    size = f'width="{columns * width}" height="{rows * height + 30}"'
    style = (TEMPLATES / "style.css").read_text()
    light = re.search(r":root \{(.*?)\}", style, re.S)
    rules = [rule for rule in style.splitlines() if rule.startswith("svg ")]
    font = "svg { font-family: system-ui, 'Noto Sans', Arial, sans-serif; }"
    told, at = [], 14.0
    for name, colour in names.items():
        told += [f'<circle class="point {colour}" cx="{at:.0f}" cy="15" r="5"/>', text(at + 10, 19, name, "name")]
        at += 34 + 7.2 * len(name)
    placed = [
        plot.replace("<svg ", f'<svg x="{at % columns * width}" y="{30 + at // columns * height}" ', 1)
        for at, plot in enumerate(plots)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {columns * width} {rows * height + 30}">'
        f"<style>svg {{ {light[1] if light else ''} }} {font} {escape(' '.join(rules), quote=False)}</style>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join([*told, *placed])}</svg>\n'
    )


def _told(value: float) -> str:
    """A number, short: 0.25, 1,024, 15k, 3.2G."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.4g}{unit}"
    return f"{value:,.4g}".replace("-", "−")
