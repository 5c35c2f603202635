"""Draws a scene: a plain ground and the shapes, whose masks are cached by size. Edges are soft: a pixel's share inside."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from bothways.worlds.shapes.geometry import geometry
from bothways.worlds.shapes.scene import Scene

# Points per pixel and axis that are tested to find the share of a pixel inside a shape.
_OVERSAMPLE = 8
# The star's inner corners, as a share of its outer radius; a plump one, so that its points outlast blur.
_STAR_INNER = 0.46


def render(scene: Scene, size_px: int) -> np.ndarray:
    """uint8 (size_px, size_px, 3). Raises: ConfigError outside 48 to 512 px."""
    where = geometry(size_px)
    canvas = np.empty((size_px, size_px, 3), np.float32)
    canvas[:] = np.float32(scene.ground_rgb) * 255
    for shape in scene.shapes:
        top, left = where.corner(shape.place, shape.size, shape.offset)
        mask = shape_mask(shape.kind, where.box_px(shape.size))
        box = canvas[top : top + len(mask), left : left + len(mask)]
        box += mask[..., None] * (np.float32(shape.rgb) * 255 - box)
    return (canvas + 0.5).astype(np.uint8)


@lru_cache(maxsize=256)
def shape_mask(kind: str, px: int) -> np.ndarray:
    """Coverage (px, px) in [0, 1] of a shape that fills a box of `px` pixels."""
    at = (np.arange(px * _OVERSAMPLE, dtype=np.float32) + 0.5) / (px * _OVERSAMPLE) * 2 - 1
    inside = _INSIDE[kind](at[None, :], at[:, None])
    return inside.reshape(px, _OVERSAMPLE, px, _OVERSAMPLE).mean((1, 3), dtype=np.float32)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # Five-fold and mirrored: only the edge from a point to the inner corner beside it has to be tested. Its points lie in a
    # circle whose middle is lowered, so that the star fills its box.
    y = (y - 0.05) / 1.05
    fold = 2 * np.pi / 5
    turn = np.abs((np.arctan2(x, -y) + fold / 2) % fold - fold / 2)
    radius = np.hypot(x, y)
    along, across = radius * np.cos(turn), radius * np.sin(turn)
    corner_along, corner_across = _STAR_INNER * np.cos(fold / 2), _STAR_INNER * np.sin(fold / 2)
    return across * (1 - corner_along) <= corner_across * (1 - along)


# Whether points of the box lie inside; x to the right, y down, both in [-1, 1].
_INSIDE: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda x, y: x**2 + y**2 <= 1,
    # Less than its box, so that its area is no cue for the size.
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) <= 0.88,
    "triangle": lambda x, y: (np.abs(x) <= (y + 1) / 1.85) & (y <= 0.85),
    "star": _star,
    "cross": lambda x, y: np.minimum(np.abs(x), np.abs(y)) <= 0.34 + 0 * (x + y),
    "diamond": lambda x, y: np.abs(x) + np.abs(y) <= 1,
}
