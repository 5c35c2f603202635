"""Banks of renderings of icons and batteries, in the reader's view, at every place where the world may put them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from bothways.worlds.watch.icons import template
from bothways.worlds.watch.read_window import Window
from bothways.worlds.watch.render import draw_battery, draw_percentage
from bothways.worlds.watch.scene import SHAPES

# Levels of the first search, in percent points.
_STEP_POINTS = 10
# Noise that is cut off at white and black pales a picture by a few percent; its level must not be read from that.
_STRENGTH = (0.94, 1.0)
# The percentage decides only what the bar leaves open: blur or a lossy tokenizer turns its digits into others.
_TEXT_WEIGHT = 0.1


@dataclass(frozen=True)
class Match:
    """The best rendering. `residual` 0 = equal, 1 = nothing there; `margin` to the best other value, in the same unit;
    `strips` how strongly upright and level strips of it show, 1 = as rendered (`Window.strips`)."""

    value: Any
    residual: float
    margin: float
    strips: np.ndarray


Place = tuple[int, int, int]
"""Side, top and left of an icon in a window, in pixels."""


class IconBank:
    """Every kind at every place and size."""

    def __init__(self, window: Window, kinds: tuple[str, ...], jitter: float, scale_spread: float):
        self._window = window
        shape = window.shape
        smallest, largest = shape.icon_px(1), shape.icon_px(1 + scale_spread)
        self._sizes = range(smallest, largest + 1)
        few = sorted({smallest, (smallest + largest) // 2, largest})
        self._places: list[Place] = [(px, top, left) for px in few for top, left in window.spots(px, px, jitter)]
        self._is_coarse = window.look.cell_px > 1 and (jitter > 0 or scale_spread > 0)
        self._kinds = kinds
        self._rendered = np.stack([self._render(kind, self._places) for kind in kinds])
        self._energy = np.sum(self._rendered**2, axis=-1)

    @property
    def least_energy(self) -> float:
        """|rendering|^2 of the faintest kind."""
        return float(self._energy.max(1).min())

    def best(self, seen: np.ndarray, noise: float) -> Match:
        """The best kind for a window's view; `noise` is the standard deviation of a cell."""
        errors = np.sum(seen**2) - 2 * self._rendered @ seen + self._energy
        kind, place = np.unravel_index(np.argmin(errors), errors.shape)
        # Shapes have no meaning: it does not matter which of them it is.
        rivals = [i for i, other in enumerate(self._kinds) if i != kind and not {other, self._kinds[kind]} <= {*SHAPES}]
        rendered, error = self._rendered[kind, place], errors[kind, place]
        if self._is_coarse:
            rendered, error = self._refined(self._kinds[kind], self._places[place], seen)
        energy = np.sum(rendered**2)
        return Match(
            self._kinds[kind],
            float((error - seen.size * noise**2) / energy),
            float((errors[rivals].min() - error) / energy),
            self._window.strips(seen, rendered),
        )

    def _refined(self, kind: str, place: Place, seen: np.ndarray) -> tuple[np.ndarray, float]:
        """The best rendering of a kind to a pixel, and its error: along x, along y, by size, then along x and y again."""
        step = self._window.look.cell_px
        for axis in (2, 1, 0, 2, 1):
            reach = range(1 - step, step) if axis else range(-2, 3)
            near = [tuple(p + d * (i == axis) for i, p in enumerate(place)) for d in reach]
            near = [moved for moved in near if moved[0] in self._sizes]
            rendered = self._render(kind, near)
            errors = np.sum((rendered - seen) ** 2, axis=1)
            best = int(np.argmin(errors))
            place = near[best]
        return rendered[best], float(errors[best])

    def _render(self, kind: str, places: list[Place]) -> np.ndarray:
        framed, canvases = self._window.blank(len(places))
        margin = 2 * self._window.look.cell_px
        for canvas, (px, top, left) in zip(framed, places, strict=True):
            through, colors = template(kind, px)
            top, left = (min(max(0, at + margin), len(canvas) - px) for at in (top, left))
            box = (slice(top, top + px), slice(left, left + px))
            canvas[box] = canvas[box] * through + colors
        return self._window.view(canvases)


@dataclass(frozen=True)
class _Levels:
    """Renderings of several levels at one place (N, flat), and which cells are bar and which are text (0 or 1, flat)."""

    rendered: np.ndarray
    bar: np.ndarray
    text: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        return self.bar + np.float32(_TEXT_WEIGHT) * self.text

    def compare(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Error and energy, a level each. The whole part may be a little paler than rendered, as noise makes it."""
        weight = self.weight
        shown = self.rendered @ (weight * seen)
        energy = self.rendered**2 @ weight
        strength = np.clip(shown / energy, *_STRENGTH)
        return weight @ seen**2 - 2 * strength * shown + strength**2 * energy, energy

    def residual(self, seen: np.ndarray) -> float:
        """Of the best level: 0 = equal, 1 = nothing there."""
        errors, energy = self.compare(seen)
        return float((errors / energy).min())


class BatteryBank:
    """Every place at coarse levels; levels are refined where the bar was found."""

    def __init__(self, window: Window, jitter: float, step_points: int = 1):
        """`step_points`: levels are multiples of this, in percent."""
        self._window = window
        self._jitter = jitter
        self._possible = tuple(range(0, 101, step_points))
        width, height = window.shape.block_px
        self._spots = window.spots(height, width, jitter)
        self._coarse = [self._render(spot, range(0, 101, _STEP_POINTS)) for spot in self._spots]
        weights = [levels.weight for levels in self._coarse]
        # All places at once: |a - b|^2 = |a|^2 - 2ab + |b|^2, weighted.
        self._weights = np.stack(weights)
        self._weighted = np.stack([levels.rendered * weight for levels, weight in zip(self._coarse, weights, strict=True)])
        self._energy = np.stack([levels.rendered**2 @ weight for levels, weight in zip(self._coarse, weights, strict=True)])
        self._levels_at = lru_cache(maxsize=64)(self._render)
        self._texts_at = lru_cache(maxsize=64)(self._render_texts)

    def best(self, seen: np.ndarray, noise: float) -> Match:
        """The best place and level for a window's view; `margin` compares with levels 8 points away."""
        errors = (self._weights @ seen**2)[:, None] - 2 * self._weighted @ seen + self._energy
        place, coarse = np.unravel_index(np.argmin(errors / self._energy), errors.shape)
        spot, among = self._spots[place], self._possible
        if self._jitter and self._window.look.cell_px > 1:
            # Places are too many there to keep all levels of each.
            around = _STEP_POINTS * int(coarse)
            among = tuple(level for level in self._possible if abs(level - around) <= 20)
            spot = self._refined(spot, range(max(0, around - 20), min(101, around + 21), 5), seen)
        levels = self._levels_at(spot, among)
        errors, energy = levels.compare(seen)
        best = int(np.argmin(errors))
        far = np.abs(np.array(among) - among[best]) >= 8
        return Match(
            among[best],
            float((errors[best] - levels.weight.sum() * noise**2) / energy[best]),
            float((errors[far].min() - errors[best]) / energy[best]),
            self._window.strips(seen * levels.bar, levels.rendered[best] * levels.bar),
        )

    def text_residual(self, seen: np.ndarray) -> float:
        """How little the window looks like a percentage without a bar; infinite where none is drawn."""
        if not self._window.shape.font_px:
            return np.inf
        return min(self._texts_at(spot).residual(seen) for spot in self._spots)

    def _render_texts(self, spot: tuple[int, int]) -> _Levels:
        window, shape = self._window, self._window.shape
        framed, canvases = window.blank(101)
        margin = 2 * window.look.cell_px
        top, left = spot[0] + margin + (0 if window.bottom else shape.bar_px[1] + 1), spot[1] + margin
        for level, canvas in enumerate(framed):
            draw_percentage(canvas, shape, level, top, left)
        rendered = window.view(canvases)
        return _Levels(rendered, np.ones_like(rendered[0]), np.zeros_like(rendered[0]))

    def _refined(self, spot: tuple[int, int], levels: range, seen: np.ndarray) -> tuple[int, int]:
        """The best place to a pixel, where the bank's places are a cell apart: first along x, then along y."""
        step = self._window.look.cell_px
        for axis in (1, 0):
            near = [tuple(s + d * (i == axis) for i, s in enumerate(spot)) for d in range(1 - step, step)]
            spot = min(near, key=lambda place: self._render(place, levels).residual(seen))
        return spot

    def _render(self, spot: tuple[int, int], levels: range) -> _Levels:
        window, shape = self._window, self._window.shape
        framed, canvases = window.blank(len(levels))
        margin, reach = 2 * window.look.cell_px, window.look.cell_px
        for canvas, level in zip(framed, levels, strict=True):
            draw_battery(canvas, shape, level, spot[0] + margin, spot[1] + margin, text_above=window.bottom)
        (top, left), (width, height) = spot, shape.bar_px
        bar_top = top + shape.font_px + 1 if shape.font_px and window.bottom else top
        text_top = top if window.bottom else top + height + 1
        text = window.box(text_top, left - reach, shape.font_px, shape.block_px[0] + 2 * reach)
        bar = window.box(bar_top - reach, left - reach, height + 2 * reach, width + shape.tip_px + 2 * reach) & ~text
        return _Levels(window.view(canvases), bar.astype(np.float32), text.astype(np.float32))
