"""A part of a picture, and which of a tokenizer's tokens lie wholly inside it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bothways.core.errors import DataError, unknown

_SLACK = 1e-6  # of a side: a border given in pixels may miss the cell's by rounding


@dataclass(frozen=True)
class Region:
    """A rectangle; its borders are shares of the picture's width and height, from the left and the top, in [0, 1].

    Raises: DataError when it is empty or reaches beyond the picture.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self):
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            found = ", ".join(f"{value:g}" for value in (self.left, self.top, self.right, self.bottom))
            raise DataError(
                f"Found the region {found} (shares of the picture); left must be before right, top above bottom, and all four "
                "between 0 and 1."
            )

    def places(self, grid: tuple[int, ...]) -> np.ndarray:
        """int64 (m,): raster indices, ascending, of the cells of `grid` (rows, columns) that lie wholly inside.

        Raises: DataError when there is none, when there is no other, and for a grid that is no picture's.
        """
        if len(grid) != 2:
            raise DataError(f"A region is a part of a picture, and these tokens have {len(grid)} axes instead of 2.")
        rows = _inside(grid[0], self.top, self.bottom)
        columns = _inside(grid[1], self.left, self.right)
        found = np.flatnonzero(rows[:, None] & columns)
        size = f"the picture is {grid[1]} x {grid[0]} tokens"
        if not len(found):
            raise DataError(f"No whole token lies in the region to be kept ({size}); make the region larger.")
        if len(found) == grid[0] * grid[1]:
            raise DataError(f"The region to be kept holds every token ({size}), so nothing is left to draw; make it smaller.")
        return found.astype(np.int64)


def _inside(length: int, begin: float, end: float) -> np.ndarray:
    """bool (length,): which of so many equal cells lie between two shares of the side."""
    borders = np.arange(length + 1) / length
    return (borders[:-1] >= begin - _SLACK) & (borders[1:] <= end + _SLACK)


REGIONS = {
    "top-half": Region(0, 0, 1, 0.5),
    "bottom-half": Region(0, 0.5, 1, 1),
    "left-half": Region(0, 0, 0.5, 1),
    "right-half": Region(0.5, 0, 1, 1),
}


AnyRegion = str | Region | Sequence[int | float]
"""How a region may be given: see `region_of`."""


def region_of(told: AnyRegion, width_px: int, height_px: int) -> Region:
    """The region that somebody names: a name of `REGIONS`, or left, top, right, bottom as four numbers or `l,t,r,b`.

    Four numbers of which none is above 1 are shares of the sides, any others pixels of a picture of this size.
    Raises: DataError when it cannot be read or reaches beyond the picture.
    """
    if isinstance(told, Region):
        return told
    if isinstance(told, str) and told.strip() in REGIONS:
        return REGIONS[told.strip()]
    left, top, right, bottom = _four(told)
    if max(left, top, right, bottom) <= 1:
        return Region(left, top, right, bottom)
    if not (0 <= left < right <= width_px and 0 <= top < bottom <= height_px):
        raise DataError(
            f"Found the region {left:g},{top:g},{right:g},{bottom:g}, and the picture is {width_px} x {height_px} px; expected "
            f"left,top,right,bottom with 0 <= left < right <= {width_px} and 0 <= top < bottom <= {height_px}."
        )
    return Region(left / width_px, top / height_px, right / width_px, bottom / height_px)


def _four(told: str | Sequence[int | float]) -> tuple[float, float, float, float]:
    if isinstance(told, str) and not re.search(r"[0-9]", told):
        raise DataError(unknown("region", told, REGIONS) + " Or give left,top,right,bottom.")
    try:
        left, top, right, bottom = (float(value) for value in (told.split(",") if isinstance(told, str) else told))
    except (TypeError, ValueError):
        raise DataError(
            f"Found the region {told!r}; expected left,top,right,bottom in pixels or in shares of the sides, or one of "
            f"{', '.join(REGIONS)}."
        ) from None
    return left, top, right, bottom
