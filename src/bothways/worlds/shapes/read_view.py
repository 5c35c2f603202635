"""The reader's first look: a softened view of 64 x 64 cells, and whether most of it is one plain ground.

Every comparison of the reader is made in this view. Renderings go through the same smoothing, so clean pictures match, and
blur or a lossy tokenizer's wobble of less than a cell changes little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

CELLS = 64
_SMOOTHING_CELLS = 0.7
# Colours in [0, 1]; how far (in RGB) a cell of the ground may lie from the ground's mean.
_GROUND_REACH = 0.33
# Six large shapes cover at most a third of a picture.
_LEAST_GROUND = 0.55


@dataclass(frozen=True)
class View:
    """A picture less its ground. `ground` (3,) in [0, 1]; `cells` (3, 64, 64); `noise` is a cell's standard deviation."""

    ground: np.ndarray
    cells: np.ndarray
    noise: float


def look_at(pixels: np.ndarray) -> View | None:
    """The view of uint8 `pixels` (size, size, 3), or None where there is no plain ground."""
    axis = _axis(len(pixels))
    cells = axis @ (pixels.transpose(2, 0, 1).astype(np.float32) / 255) @ axis.T
    ground = np.median(cells.reshape(3, -1), axis=1)
    # The mean of what lies near, not the median: where noise is cut off at white, noise is about the mean.
    for _ in range(2):
        near = ((cells - ground[:, None, None]) ** 2).sum(0) < _GROUND_REACH**2
        if near.mean() < _LEAST_GROUND:
            return None
        ground = cells[:, near].mean(1)
    free = cells - ground[:, None, None]
    # Clean pictures have no noise; a floor keeps ratios finite.
    noise = 1.4826 * float(np.median(np.abs(free[:, near]))) + 0.003
    return View(ground, free, noise)


def smoothing(num: int) -> np.ndarray:
    """float32 (num, num): smooths one axis of cells; at the edge the picture goes on as it is."""
    apart = np.arange(num)[:, None] - np.arange(num)[None, :]
    smooth = np.exp(-(apart**2) / (2 * _SMOOTHING_CELLS**2))
    return (smooth / smooth.sum(1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=16)
def _axis(size_px: int) -> np.ndarray:
    """float32 (64, size_px): the share of each pixel in each cell, then smoothed."""
    edges = np.arange(size_px + 1) * CELLS / size_px
    low = np.maximum(np.arange(CELLS)[:, None], edges[None, :-1])
    high = np.minimum(np.arange(1, CELLS + 1)[:, None], edges[None, 1:])
    return smoothing(CELLS) @ np.maximum(high - low, 0).astype(np.float32)
