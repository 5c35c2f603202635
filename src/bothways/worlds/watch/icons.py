"""The twelve weather icons and the distractors' shapes, drawn large with Pillow and shrunk, so that edges are soft.

Each kind differs from the others in shape and in colour. Icons are drawn in a unit square; a template is RGBA with colours
multiplied by alpha, so that it lies over any ground as `ground * (1 - alpha) + colors`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Color = tuple[int, int, int]

_OVERSAMPLE = 8
GREY: Color = (128, 128, 128)


class _Pen:
    """Draws in the unit square on a large canvas."""

    def __init__(self, px: int):
        self.side = px * _OVERSAMPLE
        self.image = Image.new("RGBA", (self.side, self.side), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self.image)

    def disc(self, x: float, y: float, radius: float, color: Color) -> None:
        s = self.side
        self._draw.ellipse([(x - radius) * s, (y - radius) * s, (x + radius) * s, (y + radius) * s], fill=(*color, 255))

    def erase_disc(self, x: float, y: float, radius: float) -> None:
        s = self.side
        self._draw.ellipse([(x - radius) * s, (y - radius) * s, (x + radius) * s, (y + radius) * s], fill=(0, 0, 0, 0))

    def stroke(self, points: list[tuple[float, float]], width: float, color: Color) -> None:
        s = self.side
        self._draw.line([(x * s, y * s) for x, y in points], fill=(*color, 255), width=round(width * s), joint="curve")
        for x, y in (points[0], points[-1]):
            self.disc(x, y, width / 2, color)

    def shape(self, points: list[tuple[float, float]], color: Color) -> None:
        self._draw.polygon([(x * self.side, y * self.side) for x, y in points], fill=(*color, 255))

    def cloud(self, color: Color, up: float = 0.0) -> None:
        self.disc(0.26, 0.62 - up, 0.22, color)
        self.disc(0.52, 0.46 - up, 0.28, color)
        self.disc(0.76, 0.63 - up, 0.21, color)
        self.shape([(0.26, 0.60 - up), (0.76, 0.60 - up), (0.76, 0.84 - up), (0.26, 0.84 - up)], color)


def _around(num: int, radius: float, turn: float = 0.0) -> list[tuple[float, float]]:
    angles = [turn + 2 * math.pi * k / num for k in range(num)]
    return [(0.5 + radius * math.sin(a), 0.5 - radius * math.cos(a)) for a in angles]


def _sunny(pen: _Pen) -> None:
    color = (255, 170, 0)
    for (x0, y0), (x1, y1) in zip(_around(8, 0.3), _around(8, 0.45), strict=True):
        pen.stroke([(x0, y0), (x1, y1)], 0.1, color)
    pen.disc(0.5, 0.5, 0.26, (255, 200, 20))


def _cloudy(pen: _Pen) -> None:
    pen.cloud((150, 156, 166))


def _rainy(pen: _Pen) -> None:
    pen.cloud((95, 150, 215), up=0.16)
    for x in (0.26, 0.52, 0.78):
        pen.stroke([(x, 0.78), (x - 0.07, 0.93)], 0.11, (15, 75, 225))


def _snowy(pen: _Pen) -> None:
    for x, y in _around(6, 0.42):
        pen.stroke([(0.5, 0.5), (x, y)], 0.12, (70, 205, 240))
    for x, y in _around(6, 0.3, math.pi / 6):
        pen.disc(x, y, 0.06, (70, 205, 240))


def _stormy(pen: _Pen) -> None:
    pen.cloud((75, 60, 105), up=0.16)
    pen.shape([(0.56, 0.40), (0.30, 0.72), (0.47, 0.72), (0.38, 0.98), (0.70, 0.60), (0.52, 0.60), (0.66, 0.40)], (255, 225, 0))


def _windy(pen: _Pen) -> None:
    color = (0, 150, 140)
    for y, end, tilt in ((0.26, 0.78, -0.16), (0.52, 0.92, 0.0), (0.78, 0.66, 0.16)):
        pen.stroke([(0.08, y), (end - 0.1, y), (end, y + tilt / 2), (end - 0.06, y + tilt)], 0.13, color)


def _foggy(pen: _Pen) -> None:
    for y, x0, x1 in ((0.16, 0.2, 0.8), (0.39, 0.08, 0.92), (0.62, 0.08, 0.92), (0.85, 0.2, 0.8)):
        pen.stroke([(x0, y), (x1, y)], 0.13, (188, 170, 130))


def _moonlit(pen: _Pen) -> None:
    pen.disc(0.46, 0.5, 0.42, (35, 45, 140))
    pen.erase_disc(0.64, 0.4, 0.34)


def _hailing(pen: _Pen) -> None:
    for x, y in ((0.25, 0.2), (0.72, 0.3), (0.34, 0.55), (0.78, 0.74), (0.3, 0.86)):
        pen.disc(x, y, 0.16, (120, 120, 255))


def _hot(pen: _Pen) -> None:
    color = (225, 35, 35)
    pen.stroke([(0.5, 0.14), (0.5, 0.7)], 0.2, color)
    pen.disc(0.5, 0.76, 0.21, color)
    for y in (0.2, 0.36, 0.52):
        pen.stroke([(0.66, y), (0.8, y)], 0.07, color)


def _drizzly(pen: _Pen) -> None:
    color = (215, 40, 165)
    pen.disc(0.5, 0.5, 0.44, color)
    pen.image.paste((0, 0, 0, 0), (0, pen.side // 2, pen.side, pen.side))
    pen.stroke([(0.5, 0.45), (0.5, 0.84), (0.44, 0.92), (0.34, 0.9), (0.32, 0.82)], 0.1, (110, 20, 90))


def _dusty(pen: _Pen) -> None:
    for y, x0, x1 in ((0.14, 0.1, 0.9), (0.36, 0.22, 0.82), (0.58, 0.34, 0.7), (0.78, 0.42, 0.6), (0.93, 0.5, 0.54)):
        pen.stroke([(x0, y), (x1, y)], 0.14, (140, 85, 40))


def _square(pen: _Pen) -> None:
    pen.shape([(0.18, 0.18), (0.82, 0.18), (0.82, 0.82), (0.18, 0.82)], GREY)


def _ring(pen: _Pen) -> None:
    pen.disc(0.5, 0.5, 0.4, GREY)
    pen.erase_disc(0.5, 0.5, 0.22)


def _triangle(pen: _Pen) -> None:
    pen.shape([(0.5, 0.1), (0.92, 0.86), (0.08, 0.86)], GREY)


def _cross(pen: _Pen) -> None:
    pen.stroke([(0.2, 0.2), (0.8, 0.8)], 0.18, GREY)
    pen.stroke([(0.8, 0.2), (0.2, 0.8)], 0.18, GREY)


_DRAWN: dict[str, Callable[[_Pen], None]] = {
    "sunny": _sunny,
    "cloudy": _cloudy,
    "rainy": _rainy,
    "snowy": _snowy,
    "stormy": _stormy,
    "windy": _windy,
    "foggy": _foggy,
    "moonlit": _moonlit,
    "hailing": _hailing,
    "hot": _hot,
    "drizzly": _drizzly,
    "dusty": _dusty,
    "square": _square,
    "ring": _ring,
    "triangle": _triangle,
    "cross": _cross,
}


@lru_cache(maxsize=1024)
def template(kind: str, px: int) -> tuple[np.ndarray, np.ndarray]:
    """`(1 - alpha, colors)` of an icon or shape: float32 (px, px, 1) in [0, 1] and (px, px, 3) in [0, 255], times alpha."""
    pen = _Pen(px)
    _DRAWN[kind](pen)
    large = np.asarray(pen.image, np.float32)
    alpha = large[..., 3:] / 255
    blocks = np.concatenate([alpha, large[..., :3] * alpha], -1).reshape(px, _OVERSAMPLE, px, _OVERSAMPLE, 4)
    small = blocks.mean((1, 3))
    through, colors = 1 - small[..., :1], small[..., 1:].copy()
    for array in (through, colors):
        array.flags.writeable = False
    return through, colors
