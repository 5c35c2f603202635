"""The reader's first look: a coarse, softened view of a picture, and whether a disc lies on a light ground in it at all.

Every comparison of the reader is made in this view: pixels are averaged in cells until the picture is about 64 cells wide,
then smoothed by about one cell. Templates go through the same linear operator, so clean pictures match exactly, and blur or a
lossy tokenizer's wobble of less than a cell changes little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from bothways.worlds.watch.geometry import Geometry

_CELLS = 64
# Where a cell is a pixel; larger cells are an average already.
_SMOOTHING_CELLS = 1.0
_SMOOTHING_LARGE_CELLS = 0.7

# Limits on pictures smoothed so, all in [0, 1]; clean pictures lie far inside, photographs and noise far outside.
_SAME_COLOR = 0.15
_LEAST_SHARE = 0.7
_LEAST_CONTRAST = 0.2


@dataclass(frozen=True)
class View:
    """The operator from pixels to cells for a picture size."""

    shape: Geometry

    @cached_property
    def cell_px(self) -> int:
        return max(1, (self.shape.size_px + 16) // _CELLS)

    @cached_property
    def axis(self) -> np.ndarray:
        """float32 (cells, size_px): averages and smooths one axis; beyond the edge there is nothing (zero)."""
        size, cell = self.shape.size_px, self.cell_px
        num = -(-size // cell)
        average = np.zeros((num, size), np.float32)
        average[np.arange(size) // cell, np.arange(size)] = 1 / cell
        apart = np.arange(num)[:, None] - np.arange(num)[None, :]
        width = _SMOOTHING_CELLS if cell == 1 else _SMOOTHING_LARGE_CELLS
        smooth = np.exp(-(apart**2) / (2 * width**2))
        smooth /= smooth[num // 2].sum()
        return (smooth @ average).astype(np.float32)

    def cells(self, planes: np.ndarray) -> np.ndarray:
        """(..., size_px, size_px) to (..., cells, cells)."""
        return self.axis @ planes @ self.axis.T

    @cached_property
    def radius(self) -> np.ndarray:
        """Distance of every pixel from the centre, in pixels."""
        along = np.arange(self.shape.size_px, dtype=np.float32) + 0.5 - self.shape.center
        return np.hypot(along[:, None], along[None, :])

    @cached_property
    def outside(self) -> np.ndarray:
        """1 where a pixel is clear of the disc, else 0."""
        return (self.radius > self.shape.radius + 1.5 * self.cell_px).astype(np.float32)

    @cached_property
    def inside(self) -> np.ndarray:
        """1 where a pixel is clear of the disc's edge and inside, else 0."""
        return (self.radius < self.shape.radius - 1.5 * self.cell_px).astype(np.float32)

    def ring(self, from_cells: float, to_cells: float) -> np.ndarray:
        """bool (cells, cells): cells whose middle lies that far outside (negative: inside) the disc's edge."""
        apart = (self._cell_radius - self.shape.radius) / self.cell_px
        return (apart >= from_cells) & (apart <= to_cells)

    @cached_property
    def _cell_middles(self) -> np.ndarray:
        return (np.arange(len(self.axis), dtype=np.float32) + 0.5) * self.cell_px - self.shape.center

    @cached_property
    def _cell_radius(self) -> np.ndarray:
        return np.hypot(self._cell_middles[:, None], self._cell_middles[None, :])

    @cached_property
    def sides(self) -> np.ndarray:
        """bool (cells, cells): ground at the middle of the four sides, away from disc and corners."""
        half = self.shape.center - max(*self.shape.block_px, self.shape.icon_px(2.0)) - 4 * self.cell_px
        away = np.abs(self._cell_middles) < max(half, 0.1 * self.shape.size_px)
        return (away[:, None] | away[None, :]) & self.ring(2.0, np.inf)


@lru_cache(maxsize=16)
def view(shape: Geometry) -> View:
    """The view of a geometry, made once."""
    return View(shape)


@dataclass(frozen=True)
class Disc:
    """What the first look found. Ink is 1 - pixels, in [0, 1], (3, size, size).

    `rgb` is the disc's colour, `softened` the same after smoothing (noise that is cut off at white shifts it), `ground_free`
    the ink less the ground's mean, `noise` the standard deviation of a cell.
    """

    rgb: np.ndarray
    softened: np.ndarray
    ink: np.ndarray
    ground_free: np.ndarray
    noise: float


def find_disc(look: View, ink: np.ndarray) -> Disc | None:
    """The disc in `ink` (3, size, size), or None where there is no uniform disc on a light ground."""
    cells = look.cells(ink)
    ground = np.median(cells[:, look.sides], axis=1)
    if ground.max() > _SAME_COLOR:
        return None
    inner = look.ring(-np.inf, -2.5)
    color = np.median(cells[:, inner], axis=1)
    away = np.abs(cells - color[:, None, None]).max(0)
    on_ground = np.abs(cells - ground[:, None, None]).max(0) < _SAME_COLOR
    like_disc = away < _SAME_COLOR
    shares = (
        like_disc[inner].mean(),
        like_disc[look.ring(-5, -2.5)].mean(),
        on_ground[look.sides].mean(),
        on_ground[look.ring(2, 4.5)].mean(),
    )
    if min(shares) < _LEAST_SHARE or np.linalg.norm(color - ground) < _LEAST_CONTRAST:
        return None
    pixels = ink[:, look.radius < look.shape.radius - 2 * look.cell_px]
    rgb = 1 - np.median(pixels, axis=1)
    # Clean pictures have no noise; a floor keeps ratios finite.
    noise = 1.4826 * np.median(np.abs(cells - color[:, None, None])[:, inner]) + 0.004
    return Disc(rgb, 1 - color, ink, ink - ground[:, None, None], float(noise))
