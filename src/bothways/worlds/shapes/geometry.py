"""Where everything lies in a picture of shapes of a given size, in pixels. The renderer draws by it, the reader looks by it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bothways.core.errors import ConfigError
from bothways.worlds.shapes.palette import PLACES

MIN_SIZE_PX, MAX_SIZE_PX = 48, 512

# Shares of the picture's side. A place is a third, so two large shapes as near as they come leave 2 px of 64 between them.
_SHARE = {"small": 0.16, "large": 0.24}
_REACH = 0.03


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels for a picture of side `size_px`."""

    size_px: int

    def box_px(self, size: str) -> int:
        """Side of the square that holds a shape of a size."""
        return round(_SHARE[size] * self.size_px)

    @property
    def reach_px(self) -> float:
        """How far a shape's middle may lie from that of its place, in x and in y."""
        return _REACH * self.size_px

    def middle(self, place: str) -> tuple[float, float]:
        """Middle (y, x) of a place."""
        row, column = divmod(PLACES.index(place), 3)
        return (row + 0.5) * self.size_px / 3, (column + 0.5) * self.size_px / 3

    def corner(self, place: str, size: str, offset: tuple[float, float]) -> tuple[int, int]:
        """Top and left of a shape's box, whole pixels; `offset` is (x, y) in [-1, 1]."""
        y, x = self.middle(place)
        half = self.box_px(size) / 2
        return round(y + offset[1] * self.reach_px - half), round(x + offset[0] * self.reach_px - half)


@lru_cache(maxsize=64)
def geometry(size_px: int) -> Geometry:
    """The geometry of a size. Raises: ConfigError outside 48 to 512 px."""
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
        raise ConfigError(f"Found a picture size of {size_px} px; the shapes world draws {MIN_SIZE_PX} to {MAX_SIZE_PX} px.")
    return Geometry(size_px)
