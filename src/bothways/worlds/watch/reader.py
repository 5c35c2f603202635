"""The reader: what a picture of the watch world shows, found by comparing with renderings. It never guesses.

It knows the world's config (which icons, colours and hands there are, where things may lie) and nothing of any scene. Each
attribute is read alone: what is missing, doubled, damaged or too faint is unreadable, and the rest is still read.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from bothways.worlds.pixels import fitted
from bothways.worlds.watch.config import ATTRIBUTES, WatchConfig
from bothways.worlds.watch.geometry import MAX_SIZE_PX, MIN_SIZE_PX, geometry_for
from bothways.worlds.watch.palette import COLORS
from bothways.worlds.watch.read_corners import CornerReader, Found
from bothways.worlds.watch.read_disc import Disc, find_disc, view
from bothways.worlds.watch.read_hands import HandReader
from bothways.worlds.world import Read, Reading

# A colour is named when it lies this much nearer to one name than to any other (RGB in [0, 1]).
_COLOR_MARGIN = 0.06
_COLOR_REACH = 0.2
_UNREAD = Read(None, 0.0)
READ = (*ATTRIBUTES, "rgb")  # what a reading names; the disc's colour as it is, in [0, 1], beside its name


class WatchReader:
    """Reads pictures of one watch world. Renderings to compare with are made once a picture size."""

    def __init__(self, config: WatchConfig):
        self._config = config
        self._readers = lru_cache(maxsize=4)(self._readers_for)

    def read(self, pixels: np.ndarray) -> Reading:
        """What uint8 `pixels` (size, size, 3) show; sizes outside 48 to 512 px are scaled first.

        Raises: DataError for anything but a square colour picture.
        """
        pixels = fitted(pixels, MIN_SIZE_PX, MAX_SIZE_PX)
        look, corners, hands = self._readers(len(pixels))
        ink = np.ascontiguousarray(1 - pixels.transpose(2, 0, 1).astype(np.float32) / 255)
        disc = find_disc(look, ink)
        if disc is None:
            return Reading(dict.fromkeys(READ, _UNREAD))
        name, color = self._color(disc)
        marks = hands.read(disc, name)
        reads = {hand: Read(mark.mark, mark.confidence) for hand, mark in marks.items()}
        reads |= _things(corners.read(disc))
        reads["color"] = color
        reads["rgb"] = Read([round(float(channel), 3) for channel in disc.rgb], 1.0)
        return Reading({attribute: reads.get(attribute, _UNREAD) for attribute in READ})

    def _readers_for(self, size_px: int):
        look = view(geometry_for(self._config, size_px))
        return look, CornerReader(self._config, look), HandReader(self._config, look)

    def _color(self, disc: Disc) -> tuple[str, Read]:
        """The nearest name, and whether it can be stated."""
        apart = {name: float(np.linalg.norm(disc.rgb - np.float32(COLORS[name]))) for name in self._config.colors}
        first, second = sorted(apart, key=apart.__getitem__)[:2]
        margin = apart[second] - apart[first]
        clear = margin > _COLOR_MARGIN and apart[first] < _COLOR_REACH
        # In P1's world any colour may occur, and the nearest name is right by definition.
        clear |= self._config.faithful_to_p1 and margin > 0.01
        return first, Read(first, min(1.0, margin / (2 * _COLOR_MARGIN))) if clear else _UNREAD


def read(pixels: np.ndarray, config: WatchConfig | None = None) -> Reading:
    """What uint8 `pixels` (size, size, 3) show, in the default world or that of `config`.

    Raises: DataError as `WatchReader.read`.
    """
    return _reader((config or WatchConfig()).model_dump_json()).read(pixels)


@lru_cache(maxsize=4)
def _reader(config_json: str) -> WatchReader:
    return WatchReader(WatchConfig.model_validate_json(config_json))


def _things(found: dict[str, Found]) -> dict[str, Read]:
    """Weather and battery with their corners: exactly one of each, and nothing odd that might be another."""
    reads = {}
    for attribute, what in (("weather", "icon"), ("battery", "battery")):
        here = [corner for corner, thing in found.items() if thing.what == what]
        doubtful = any(thing.what == "odd" and thing.value == what for thing in found.values())
        if len(here) == 1 and not doubtful:
            thing = found[here[0]]
            reads[attribute] = Read(thing.value, thing.confidence)
            reads[f"{attribute}_corner"] = Read(here[0], thing.confidence)
    return reads
