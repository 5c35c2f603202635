"""Banks of renderings of icons and batteries, in the reader's view, at every place where the world may put them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bothways.worlds.watch.icons import template
from bothways.worlds.watch.read_disc import View
from bothways.worlds.watch.render import draw_battery

_STEP_POINTS = 10
# The percentage's text helps, but a lossy tokenizer garbles it.
_TEXT_WEIGHT = 0.25


@dataclass(frozen=True)
class Match:
    """The best rendering. `residual` 0 = equal, 1 = nothing there; `margin` to the best other value, in the same unit;
    `halves` how strongly the left, right, top and bottom half show, 1 = as rendered."""

    value: Any
    residual: float
    margin: float
    halves: np.ndarray


class Window:
    """The part of a view around one corner, and renderings into it."""

    def __init__(self, look: View, corner: str, pale_is_ground: bool):
        self.look = look
        self.shape = look.shape
        self.bottom, self.right = corner.startswith("bottom"), corner.endswith("right")
        self._pale_is_ground = pale_is_ground
        size, cell = self.shape.size_px, look.cell_px
        largest = max(*self.shape.block_px, self.shape.icon_px(1.3))
        self.side_px = min(largest + max(self.shape.inset_px(largest, 1), self.shape.inset_px(1, 0) // 4) + 2 * cell, size)
        self.rows = self._native(self.bottom)
        self.cols = self._native(self.right)
        self.row_cells = slice(self.rows.start // cell, -(-self.rows.stop // cell))
        self.col_cells = slice(self.cols.start // cell, -(-self.cols.stop // cell))
        self._row_axis = look.axis[self.row_cells, self.rows]
        self._col_axis = look.axis[self.col_cells, self.cols]
        self._outside = look.outside[self.rows, self.cols]

    def _native(self, far: bool) -> slice:
        size = self.shape.size_px
        return slice(size - self.side_px, size) if far else slice(0, self.side_px)

    def cut(self, cells: np.ndarray) -> np.ndarray:
        """The window of a view (3, cells, cells), flat."""
        return cells[:, self.row_cells, self.col_cells].ravel()

    def view(self, canvases: np.ndarray) -> np.ndarray:
        """Views, flat, (N, 3 * rows * cols) of canvases (N, side, side, 3) in [0, 255]."""
        ink = (1 - np.moveaxis(canvases, -1, 1) / 255) * self._outside
        if self._pale_is_ground:
            # As the picture is treated (read_corners.without_pale), canvas by canvas.
            ink = ink * np.clip((ink.max(1, keepdims=True) - 0.2) / 0.1, 0, 1)
        return (self._row_axis @ ink @ self._col_axis.T).reshape(len(canvases), -1)

    def blank(self, num: int) -> tuple[np.ndarray, np.ndarray]:
        """White canvases with a margin, into which parts may stick out of the picture, and the same without the margin."""
        margin = 2 * self.look.cell_px
        framed = np.full((num, self.side_px + 2 * margin, self.side_px + 2 * margin, 3), 255, np.float32)
        return framed, framed[:, margin:-margin, margin:-margin]

    def spots(self, height: int, width: int, jitter: float) -> list[tuple[int, int]]:
        """Tops and lefts in the window, a cell apart, of a box that the world places in this corner, and one cell beyond."""
        cell, extent = self.look.cell_px, max(height, width)
        low, high = self.shape.inset_px(extent, -jitter), self.shape.inset_px(extent, jitter)
        insets = range(low - cell, high + cell + (cell if jitter else 1), cell)
        tops = [self.side_px - height - i if self.bottom else i for i in insets]
        lefts = [self.side_px - width - i if self.right else i for i in insets]
        return [(top, left) for top in tops for left in lefts]

    def box(self, top: float, left: float, height: float, width: float) -> np.ndarray:
        """bool, flat: cells whose middle lies in a box of the window."""
        cell = self.look.cell_px
        y = (np.arange(self.row_cells.start, self.row_cells.stop) + 0.5) * cell - self.rows.start
        x = (np.arange(self.col_cells.start, self.col_cells.stop) + 0.5) * cell - self.cols.start
        inside = ((y >= top) & (y < top + height))[:, None] & ((x >= left) & (x < left + width))[None, :]
        return np.broadcast_to(inside, (3, *inside.shape)).ravel()

    def halves(self, seen: np.ndarray, rendered: np.ndarray, top: int, left: int, height: int, width: int) -> np.ndarray:
        """How strongly the halves of a rendering show; one that holds next to nothing counts as shown."""
        reach = 2 * self.look.cell_px
        y, x, high, wide = top + height / 2, left + width / 2, height / 2 + reach, width / 2 + reach
        boxes = (
            (top - reach, left - reach, height + 2 * reach, wide),
            (top - reach, x, height + 2 * reach, wide),
            (top - reach, left - reach, high, width + 2 * reach),
            (y, left - reach, high, width + 2 * reach),
        )
        total = np.sum(rendered**2)
        shares = []
        for box in boxes:
            part = self.box(*box)
            energy = np.sum(rendered[part] ** 2)
            shares.append(np.sum(seen[part] * rendered[part]) / energy if energy > 0.03 * total else 1.0)
        return np.array(shares)


class IconBank:
    """Every kind at every place and size."""

    def __init__(self, window: Window, kinds: tuple[str, ...], jitter: float, scale_spread: float):
        self._window = window
        shape = window.shape
        sizes = sorted({shape.icon_px(1 + scale_spread * share) for share in (0, 0.5, 1)})
        self._spots = [(px, top, left) for px in sizes for top, left in window.spots(px, px, jitter)]
        self._kinds = kinds
        self._rendered = np.stack([self._render(kind) for kind in kinds])
        self._energy = np.sum(self._rendered**2, axis=-1)

    @property
    def least_energy(self) -> float:
        """|rendering|^2 of the faintest kind."""
        return float(self._energy.max(1).min())

    def best(self, seen: np.ndarray, noise: float) -> Match:
        """The best kind for a window's view; `noise` is the standard deviation of a cell."""
        error = np.sum(seen**2) - 2 * self._rendered @ seen + self._energy
        kind, spot = np.unravel_index(np.argmin(error), error.shape)
        energy = self._energy[kind, spot]
        others = np.delete(error, kind, axis=0)
        px, top, left = self._spots[spot]
        return Match(
            self._kinds[kind],
            float((error[kind, spot] - seen.size * noise**2) / energy),
            float((others.min() - error[kind, spot]) / energy),
            self._window.halves(seen, self._rendered[kind, spot], top, left, px, px),
        )

    def _render(self, kind: str) -> np.ndarray:
        framed, canvases = self._window.blank(len(self._spots))
        margin = 2 * self._window.look.cell_px
        for canvas, (px, top, left) in zip(framed, self._spots, strict=True):
            through, colors = template(kind, px)
            box = (slice(top + margin, top + margin + px), slice(left + margin, left + margin + px))
            canvas[box] = canvas[box] * through + colors
        return self._window.view(canvases)


@dataclass(frozen=True)
class _Levels:
    """Renderings of several levels at one place, and what counts there (`weight`, flat)."""

    weight: np.ndarray
    rendered: np.ndarray

    @property
    def energy(self) -> np.ndarray:
        return self.rendered**2 @ self.weight

    def errors(self, seen: np.ndarray) -> np.ndarray:
        return self.weight @ seen**2 - 2 * self.rendered @ (self.weight * seen) + self.energy


class BatteryBank:
    """Every place at coarse levels; levels are refined where the bar was found."""

    def __init__(self, window: Window, jitter: float):
        self._window = window
        self._jitter = jitter
        width, height = window.shape.block_px
        self._spots = window.spots(height, width, jitter)
        coarse = [self._render(spot, range(0, 101, _STEP_POINTS)) for spot in self._spots]
        self._weights = np.stack([levels.weight for levels in coarse])
        self._weighted = np.stack([levels.rendered * levels.weight for levels in coarse])
        self._energy = np.stack([levels.energy for levels in coarse])
        self._all_levels = lru_cache(maxsize=48)(lambda spot: self._render(spot, range(101)))

    def best(self, seen: np.ndarray, noise: float) -> Match:
        """The best place and level for a window's view; `margin` compares with levels 8 points away."""
        errors = (self._weights @ seen**2)[:, None] - 2 * self._weighted @ seen + self._energy
        place = int(np.argmin((errors / self._energy).min(1)))
        spot = self._refined(self._spots[place], seen)
        levels = self._all_levels(spot)
        error = levels.errors(seen)
        level = int(np.argmin(error))
        energy = levels.energy[level]
        far = np.abs(np.arange(101) - level) >= 8
        top, left = self._bar(spot)
        height, width = self._window.shape.bar_px[::-1]
        return Match(
            level,
            float((error[level] - levels.weight.sum() * noise**2) / energy),
            float((error[far].min() - error[level]) / energy),
            self._window.halves(seen, levels.rendered[level], top, left, height, width),
        )

    def _refined(self, spot: tuple[int, int], seen: np.ndarray) -> tuple[int, int]:
        """The best place to a pixel, where the bank's places are further apart: first along x, then along y."""
        step = self._window.look.cell_px
        if not self._jitter or step == 1:
            return spot
        for axis in (1, 0):
            near = [tuple(s + d * (i == axis) for i, s in enumerate(spot)) for d in range(1 - step, step)]
            spot = min(near, key=lambda place: self._residual(place, seen))
        return spot

    def _residual(self, spot: tuple[int, int], seen: np.ndarray) -> float:
        levels = self._all_levels(spot)
        return float((levels.errors(seen) / levels.energy).min())

    def _bar(self, spot: tuple[int, int]) -> tuple[int, int]:
        font = self._window.shape.font_px
        return (spot[0] + font + 1 if font and self._window.bottom else spot[0]), spot[1]

    def _render(self, spot: tuple[int, int], levels: range) -> _Levels:
        window, shape = self._window, self._window.shape
        framed, canvases = window.blank(len(levels))
        margin, reach = 2 * window.look.cell_px, window.look.cell_px
        for canvas, level in zip(framed, levels, strict=True):
            draw_battery(canvas, shape, level, spot[0] + margin, spot[1] + margin, text_above=window.bottom)
        (top, left), (width, height) = self._bar(spot), shape.bar_px
        bar = window.box(top - reach, left - reach, height + 2 * reach, width + shape.tip_px + 2 * reach)
        block = window.box(spot[0] - reach, spot[1] - reach, shape.block_px[1] + 2 * reach, shape.block_px[0] + 2 * reach)
        weight = np.where(bar, 1, np.where(block, _TEXT_WEIGHT, 0)).astype(np.float32)
        return _Levels(weight, window.view(canvases))
