"""Plots of probes as inline SVG: lines over a model's stages, and maps of pictures coloured by an attribute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from bothways.study.svg import opening, text

SHAPE = (330, 200)
LEFT, RIGHT, TOP, BOTTOM = 38, 10, 28, 40
TICK = 0.25


@dataclass(frozen=True)
class Line:
    """One line over the stages; `kind` is a class of the style sheet (arm0) or `chance`, which is dashed.

    `under`: drawn broad and pale, so that a line that runs on top of it hides nothing.
    """

    name: str
    kind: str
    values: Sequence[float | None]
    under: bool = False


def lines(title: str, stages: Sequence[str], drawn: Sequence[Line], low: float) -> str:
    """Values by stage between `low` (a multiple of 0.25) and 1, clipped; each point tells its value under the pointer."""
    width, height = SHAPE
    room = (width - LEFT - RIGHT) / max(1, len(stages) - 1)

    def y(value: float) -> float:
        return TOP + (height - TOP - BOTTOM) * (1.0 - min(max(value, low), 1.0)) / (1.0 - low)

    parts = [opening(width, height, title), text(4, 15, title, "title")]
    for tick in [low + TICK * k for k in range(round((1.0 - low) / TICK) + 1)]:
        parts.append(
            f'<line class="grid" x1="{LEFT}" y1="{y(tick):.1f}" x2="{width - RIGHT}" y2="{y(tick):.1f}"/>'
            + text(LEFT - 5, y(tick) + 3.5, f"{tick:g}".replace("-", "−"), "tick", "end")
        )
    for number, stage in enumerate(stages):
        parts.append(text(LEFT + room * number, height - 22, stage.removeprefix("layer "), "tick", "middle"))
    for line in drawn:
        parts += _line(line, [(LEFT + room * n, y(v), v) for n, v in enumerate(line.values) if v is not None])
    return "".join([*parts, "</svg>"])


def _line(line: Line, points: Sequence[tuple[float, float, float]]) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    if line.kind == "chance":
        return [f'<polyline class="curve arm4" points="{path}" stroke-dasharray="3 4"/>']
    broad = ' style="stroke-width:7" stroke-opacity=".35" stroke-linecap="round"' if line.under else ""
    return [
        f'<polyline class="curve {line.kind}" points="{path}"{broad}/>',
        *(
            f'<circle class="point {line.kind}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"><title>'
            f"{escape(line.name)}: {value:.3f}</title></circle>"
            for x, y, value in points
        ),
    ]


def colours(labels: Sequence[Any]) -> dict[Any, str]:
    """Value -> colour: the values in sorted order round the wheel."""
    values = sorted(set(labels), key=lambda value: (str(type(value)), value))
    steps = max(1, len(values) - 1 if len(values) > 12 else len(values))
    return {value: f"hsl({round(330 * number / steps)} 65% 50%)" for number, value in enumerate(values)}


def scatter(title: str, points: Sequence[Sequence[float]], labels: Sequence[Any], note: str = "") -> str:
    """Pictures on a plane, in the colours of their values; a point tells its value under the pointer."""
    width, height = 250, 230
    across, down = zip(*points, strict=True)
    reach = [(min(some), max(max(some) - min(some), 1e-9)) for some in (across, down)]
    parts = [opening(width, height, title), text(4, 14, title, "title"), text(4, height - 4, note, "tick")]
    for value, colour in colours(labels).items():
        dots = "".join(
            f"M{8 + (width - 16) * (point[0] - reach[0][0]) / reach[0][1]:.1f} "
            f"{24 + (height - 46) * (point[1] - reach[1][0]) / reach[1][1]:.1f}h0"
            for point, label in zip(points, labels, strict=True)
            if label == value
        )
        parts.append(
            f'<path d="{dots}" style="stroke:{colour}" stroke-width="4.8" stroke-linecap="round" stroke-opacity=".8">'
            f"<title>{escape(str(value))}</title></path>"
        )
    return "".join([*parts, "</svg>"])
