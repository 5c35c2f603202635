"""Plots of probes as inline SVG: lines over a model's stages, and maps of pictures coloured by an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

SHAPE = (330, 200)
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 28, 40


@dataclass(frozen=True)
class Line:
    """One line over the stages; `kind` is a class of the style sheet (arm0) or `chance`, which is dashed."""

    name: str
    kind: str
    values: Sequence[float | None]


def lines(title: str, stages: Sequence[str], drawn: Sequence[Line], span: tuple[float, float]) -> str:
    """Values by stage, clipped to `span`; each point tells its value when the pointer rests on it."""
    width, height = SHAPE
    low, high = span
    room = (width - LEFT - RIGHT) / max(1, len(stages) - 1)

    def y(value: float) -> float:
        return TOP + (height - TOP - BOTTOM) * (high - min(max(value, low), high)) / (high - low)

    parts = [_open(width, height, title), _text(4, 15, title, "title")]
    for tick in [low + (high - low) * k / 4 for k in range(5)]:
        parts.append(
            f'<line class="grid" x1="{LEFT}" y1="{y(tick):.1f}" x2="{width - RIGHT}" y2="{y(tick):.1f}"/>'
            + _text(LEFT - 5, y(tick) + 3.5, f"{tick:g}".replace("-", "−"), "tick", "end")
        )
    for number, stage in enumerate(stages):
        parts.append(_text(LEFT + room * number, height - 22, stage.removeprefix("layer "), "tick", "middle"))
    for line in drawn:
        points = [(LEFT + room * n, v) for n, v in enumerate(line.values) if v is not None]
        path = " ".join(f"{x:.1f},{y(v):.1f}" for x, v in points)
        dashed = ' stroke-dasharray="3 4"' if line.kind == "chance" else ""
        kind = "arm4" if line.kind == "chance" else line.kind
        parts.append(f'<polyline class="curve {kind}" points="{path}"{dashed}/>')
        parts += [
            f'<circle class="point {kind}" cx="{x:.1f}" cy="{y(v):.1f}" r="2.6"><title>'
            f"{escape(line.name)}: {v:.3f}</title></circle>"
            for x, v in points
        ]
    return "".join([*parts, "</svg>"])


def scatter(title: str, points: Sequence[Sequence[float]], labels: Sequence[Any], note: str = "") -> str:
    """Pictures on a plane; a colour a value, in sorted order round the wheel."""
    width, height = 250, 230
    values = sorted(set(labels), key=lambda value: (str(type(value)), value))
    across, down = zip(*points, strict=True)
    reach = [(min(some), max(max(some) - min(some), 1e-9)) for some in (across, down)]
    parts = [_open(width, height, title), _text(4, 14, title, "title"), _text(4, height - 4, note, "tick")]
    for point, label in zip(points, labels, strict=True):
        x = 8 + (width - 16) * (point[0] - reach[0][0]) / reach[0][1]
        y = 24 + (height - 46) * (point[1] - reach[1][0]) / reach[1][1]
        hue = round(330 * values.index(label) / max(1, len(values) - 1 if len(values) > 12 else len(values)))
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="hsl({hue} 65% 50%)" fill-opacity=".8">'
            f"<title>{escape(str(label))}</title></circle>"
        )
    return "".join([*parts, "</svg>"])


def _open(width: float, height: float, what: str) -> str:
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    return f'<svg {size} role="img" aria-label="{escape(what)}">'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
