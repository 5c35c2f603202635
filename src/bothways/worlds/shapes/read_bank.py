"""Renderings of every kind and size all over a place, in the reader's view, and the best of them for what is seen there.

A rendering is a coverage t; what is seen less the ground is D, three planes. A shape of one colour gives D = t * c for some c,
so the best c is t.D / t.t and leaves |D|^2 - |t.D|^2 / t.t unexplained: all colours are compared at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bothways.worlds.shapes.geometry import Geometry
from bothways.worlds.shapes.palette import PLACES
from bothways.worlds.shapes.read_view import CELLS, smoothing
from bothways.worlds.shapes.render import shape_mask

# A place is 21.3 cells wide; its window begins at a whole cell.
_WINDOW = 22
_STARTS = (0, 21, 42)
_STEPS_PER_CELL = 2
# A drawing may miss its place by this many cells more than a rendering.
_TOLERANCE_CELLS = 1.0
# Hi-res points per cell when a coverage is made.
_FINE = 8
# Where the middle of a place lies in its window: 10.67, 11 or 11.33 cells.
_MIDDLE_CELLS, _MIDDLE_SPREAD = 11.0, 0.34
_NUM_STRIPS = 4
_LEAST_STRIP = 0.02
# A cell covered so far is a shape's inside, whose colour no edge has touched.
_CORE_POWER = 6


@dataclass(frozen=True)
class Match:
    """The best rendering.

    `residual`: 0 = equal, 1 = nothing there, noise taken out. Margins to the best of another kind and of another size and
    `grain`, the noise of one cell, are in the same unit. `strips`: how strongly parts show, 1 = as rendered. `color` (3,) is
    the shape's less the ground's, `color_spread` how far apart (in RGB) opposite halves are.
    """

    kind: str
    size: str
    residual: float
    kind_margin: float
    size_margin: float
    grain: float
    strips: np.ndarray
    color: np.ndarray
    color_spread: float


class Bank:
    """All renderings for one picture size; one bank serves all places."""

    def __init__(self, where: Geometry, kinds: tuple[str, ...], sizes: tuple[str, ...], jitter: float):
        reach = where.reach_px / where.size_px * CELLS * jitter + _TOLERANCE_CELLS + _MIDDLE_SPREAD
        steps = round(reach * _STEPS_PER_CELL)
        shifts = [step * _FINE // _STEPS_PER_CELL for step in range(-steps, steps + 1)]
        self._kinds, self._sizes = kinds, sizes
        self._coverage = np.stack([_coverages(where, kind, size, shifts) for kind in kinds for size in sizes])
        self._flat = self._coverage.reshape(len(kinds) * len(sizes), -1, _WINDOW * _WINDOW)
        self._energy = (self._flat**2).sum(-1)
        self._unit = (self._flat / np.sqrt(self._energy)[..., None]).reshape(-1, _WINDOW * _WINDOW)

    @property
    def least_energy(self) -> float:
        """t.t of the smallest rendering."""
        return float(self._energy.min())

    def best(self, seen: np.ndarray, noise: float) -> list[Match]:
        """The best rendering for each of `seen` (N, 3, 22, 22), which are not empty."""
        num, cells = len(seen), _WINDOW * _WINDOW
        shown = (self._unit @ seen.reshape(num * 3, cells).T).reshape(*self._energy.shape, num, 3)
        explained = (shown**2).sum(-1)
        return [self._match(one, explained[..., i], noise) for i, one in enumerate(seen)]

    def _match(self, seen: np.ndarray, explained: np.ndarray, noise: float) -> Match:
        best_at = explained.argmax(1)
        each = explained[np.arange(len(best_at)), best_at].reshape(len(self._kinds), len(self._sizes))
        kind, size = np.unravel_index(each.argmax(), each.shape)
        coverage = self._coverage[kind * len(self._sizes) + size, best_at[kind * len(self._sizes) + size]]
        most = float(each[kind, size])
        left = float((seen**2).sum()) - most - seen.size * noise**2
        others = np.delete(each, kind, axis=0)
        return Match(
            self._kinds[kind],
            self._sizes[size],
            left / most,
            (most - float(others.max(initial=0.0))) / most,
            (most - float(np.delete(each, size, axis=1).max(initial=0.0))) / most,
            noise**2 / most,
            _strips(seen, coverage),
            _color(seen, coverage),
            _color_spread(seen, coverage),
        )


def windows(cells: np.ndarray) -> np.ndarray:
    """(9, 3, 22, 22): the part of a view (3, 64, 64) around each place, in the order of places."""
    return np.stack([cells[:, y : y + _WINDOW, x : x + _WINDOW] for y in _STARTS for x in _STARTS])


assert len(PLACES) == len(_STARTS) ** 2


def _coverages(where: Geometry, kind: str, size: str, shifts: list[int]) -> np.ndarray:
    """(positions, 22, 22): the coverage of a shape in the view at every place of a grid of `shifts`, in 1/8 cells."""
    side = round(where.box_px(size) * CELLS / where.size_px * _FINE)
    mask = shape_mask(kind, side)
    margin = max(shifts)
    wide = _WINDOW * _FINE
    canvas = np.zeros((wide + 2 * margin, wide + 2 * margin), np.float32)
    start = margin + round(_MIDDLE_CELLS * _FINE - side / 2)
    canvas[start : start + side, start : start + side] = mask
    cut = [canvas[margin - y : margin - y + wide, margin - x : margin - x + wide] for y in shifts for x in shifts]
    cells = np.stack(cut).reshape(-1, _WINDOW, _FINE, _WINDOW, _FINE).mean((2, 4))
    smooth = smoothing(_WINDOW)
    return smooth @ cells @ smooth.T


def _color(seen: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The colour of the inside, less the ground."""
    core = (coverage / coverage.max()) ** _CORE_POWER
    return (seen * core).sum((1, 2)) / (coverage * core).sum()


def _color_spread(seen: np.ndarray, coverage: np.ndarray) -> float:
    """The larger distance between the colours of the upper and the lower, the left and the right half."""
    spreads = []
    for axis in (1, 0):
        line = (coverage**2).sum(axis)
        before = np.cumsum(line) <= line.sum() / 2
        first = coverage * (before[:, None] if axis else before)
        halves = [(seen * part).sum((1, 2)) / (coverage * part).sum() for part in (first, coverage - first)]
        spreads.append(float(np.linalg.norm(halves[0] - halves[1])))
    return max(spreads)


def _strips(seen: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """How strongly quarters of a rendering show: four level strips, then four upright ones; 1 = as rendered."""
    energy = coverage**2
    color = (seen * coverage).sum((1, 2)) / energy.sum()
    shown = (seen * color[:, None, None]).sum(0) / (color**2).sum() * coverage
    shares = []
    for axis in (1, 0):
        line, line_shown = energy.sum(axis), shown.sum(axis)
        inked = np.flatnonzero(line > 0.1 * line.max())
        for start, stop in pairwise(np.round(np.linspace(inked[0], inked[-1] + 1, _NUM_STRIPS + 1)).astype(int)):
            part = line[start:stop].sum()
            shares.append(line_shown[start:stop].sum() / part if part > _LEAST_STRIP * line.sum() else 1.0)
    return np.array(shares)
