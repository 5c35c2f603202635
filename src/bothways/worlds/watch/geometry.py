"""Where everything lies in a watch picture of a given size, in pixels. The renderer draws by it, the reader looks by it.

P1 drew on 224 px: disc radius 0.4 of the side, hands of 6/4/2 px, an icon of 30 px, a battery bar of 25 x 10. Those
proportions leave nothing to see at 64 px, so parts have a least size in pixels here. `faithful_to_p1` has no least size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

from bothways.core.errors import ConfigError
from bothways.worlds.watch.config import WatchConfig

MIN_SIZE_PX, MAX_SIZE_PX = 48, 512
_TEXT_FROM_PX = 128

# P1: length as a share of the radius, width in pixels of 224.
_P1_HANDS = {"hour": (0.5, 6.0), "minute": (0.7, 4.0), "second": (0.9, 2.0)}
# Ours: a longer minute hand moves its tip 2 px a mark at 64 px; the least widths let 8-px tokens carry a hand.
_HANDS = {"hour": (0.5, 6.0, 3.6), "minute": (0.8, 4.0, 2.4), "second": (0.95, 2.0, 1.5)}


@dataclass(frozen=True)
class Hand:
    """A capsule from the centre: `length` and `width` in pixels."""

    length: float
    width: float


@dataclass(frozen=True)
class Geometry:
    """Sizes in pixels for a picture of side `size_px`."""

    size_px: int
    faithful_to_p1: bool = False
    large_bar: bool = False
    bold_second: bool = False

    @property
    def center(self) -> float:
        return self.size_px / 2

    @property
    def radius(self) -> float:
        return 0.4 * self.size_px

    @property
    def corner_px(self) -> float:
        """Side of the largest square in a corner that the disc does not touch."""
        return self.size_px * (0.5 - 0.4 / math.sqrt(2))

    @cached_property
    def hands(self) -> dict[str, Hand]:
        scale = self.size_px / 224
        if self.faithful_to_p1:
            return {name: Hand(length * self.radius, width * scale) for name, (length, width) in _P1_HANDS.items()}
        hands = {name: Hand(length * self.radius, max(w * scale, least)) for name, (length, w, least) in _HANDS.items()}
        if self.bold_second:
            hands["second"] = Hand(hands["second"].length, hands["minute"].width)
        return hands

    def icon_px(self, scale: float = 1.0) -> int:
        """Side of an icon's square."""
        least = 0.0 if self.faithful_to_p1 else min(13.0, self.size_px / 4)
        largest = max(least, self.corner_px)
        return round(min(max(30 / 224 * self.size_px, least) * scale, largest))

    @cached_property
    def bar_px(self) -> tuple[int, int]:
        """Width and height of the battery's body, without its tip."""
        least = (0, 0) if self.faithful_to_p1 else (16, 6)
        width = max(25 / 224 * self.size_px, least[0])
        if self.large_bar:
            width = max(width, 24 / 64 * self.size_px)
        return round(width), round(max(10 / 224 * self.size_px, least[1]))

    @property
    def tip_px(self) -> int:
        """Width of the battery's tip, at the right of its body."""
        return max(1, round(self.bar_px[1] / 6))

    @property
    def font_px(self) -> int:
        """Size of the percentage's font; 0 = too small to be legible, not drawn."""
        return max(8, round(11 / 224 * self.size_px)) if self.size_px >= _TEXT_FROM_PX else 0

    @cached_property
    def block_px(self) -> tuple[int, int]:
        """Width and height of bar, tip and percentage together."""
        width, height = self.bar_px
        if self.font_px:
            width = max(width, round(2.75 * self.font_px) - self.tip_px)
            height += 1 + self.font_px
        return width + self.tip_px, height

    def place(self, corner: str, width: int, height: int, offset: tuple[float, float]) -> tuple[int, int]:
        """Top and left of a box in a corner, whole pixels. `offset` (x, y) in [-1, 1]: 1 = as far inward as there is room."""
        x, y = (self.inset_px(max(width, height), along) for along in offset)
        top = y if corner.startswith("top") else self.size_px - height - y
        left = x if corner.endswith("left") else self.size_px - width - x
        return top, left

    def inset_px(self, extent: int, offset: float) -> int:
        """Distance of a box from the picture's edge; `extent` is its longer side."""
        # Icons are round enough to move a little even where their square fills the corner.
        least_room = 2.5 if self.size_px >= 60 else 0.9
        return round(0.5 * max(least_room, self.corner_px - extent) * (1 + offset))


@lru_cache(maxsize=64)
def geometry(size_px: int, faithful_to_p1: bool, large_bar: bool, bold_second: bool) -> Geometry:
    """The geometry of a size. Raises: ConfigError outside 48 to 512 px."""
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
        raise ConfigError(f"Found a picture size of {size_px} px; the watch world draws {MIN_SIZE_PX} to {MAX_SIZE_PX} px.")
    return Geometry(size_px, faithful_to_p1, large_bar, bold_second)


def geometry_for(config: WatchConfig, size_px: int) -> Geometry:
    """The geometry of a world's pictures. Raises: ConfigError outside 48 to 512 px."""
    dial = config.difficulty
    return geometry(size_px, config.faithful_to_p1, dial.large_bar, dial.bold_second)
