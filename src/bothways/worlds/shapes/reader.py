"""The reader: what a picture of shapes shows, found by comparing with renderings. It never guesses.

It knows the world's config (which kinds, sizes and colours there are) and nothing of any scene. Each place is read alone: what
is there is compared with renderings of every kind and size at every position. What is no whole shape of one colour is an object
without kind, colour and size, and the picture then has no readable count; the rest is still read. A plain ground without
anything on it has no objects and a count of 0, which no scene has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from bothways.worlds.pixels import fitted
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.geometry import MAX_SIZE_PX, MIN_SIZE_PX, geometry
from bothways.worlds.shapes.palette import COLORS, GROUNDS, PLACES
from bothways.worlds.shapes.read_bank import Bank, Match, windows
from bothways.worlds.shapes.read_view import View, look_at
from bothways.worlds.shapes.scene import ATTRIBUTES
from bothways.worlds.world import Read, Reading

# A residual is |picture - rendering|^2 / |rendering|^2, less what noise adds: 0 = the same, 1 = nothing there.
_MOST_RESIDUAL = 0.08
# By how much the best of another kind or size must be worse: so much, this many times what is left, this many times noise.
_LEAST_MARGIN = 0.012
_MARGIN_OVER_RESIDUAL = 0.35
_MARGIN_OVER_NOISE = 6.0
# How strongly each strip of a shape must show (1 = as rendered): one painted over shows 0.
_STRIP_RANGE = (0.5, 1.6)
# Two halves of a shape whose colours are further apart than this (in RGB) are not one shape; noise adds so many times itself.
_MOST_COLOR_SPREAD = 0.2
_SPREAD_OVER_NOISE = 1.5
# Below this share of the faintest shape's energy a place is empty.
_EMPTY_SHARE = 0.15
_FAINTEST_CONTRAST = 0.35
# A colour is named when it lies so near to one name, and so much nearer to it than to any other (RGB in [0, 1]).
_COLOR_REACH = 0.2
_COLOR_MARGIN = 0.06
# Blur draws a small shape's colour to the ground: its contrast may be so much weaker than the name's.
_STRENGTH = (0.8, 1.05)
# More damaged places than this: it is no picture of shapes.
_MOST_ODD = 4
_UNREAD = Read(None, 0.0)


class ShapesReader:
    """Reads pictures of one world of shapes. Renderings to compare with are made once a picture size."""

    def __init__(self, config: ShapesConfig):
        self._config = config
        self._bank = lru_cache(maxsize=4)(self._bank_for)

    def read(self, pixels: np.ndarray) -> Reading:
        """`count`, `ground` and `objects` (`scene.py`) as uint8 `pixels` (size, size, 3) show them; sizes outside 48 to 512 px
        are scaled first.

        Raises: DataError for anything but a square colour picture.
        """
        pixels = fitted(pixels, MIN_SIZE_PX, MAX_SIZE_PX)
        view = look_at(pixels)
        ground = _named(view.ground, {name: GROUNDS[name] for name in self._config.grounds}) if view else _UNREAD
        if ground.value is None:
            return _nothing()
        found = self._objects(view, self._bank(len(pixels)))
        odd = sum(one is None for _, one in found)
        if odd > _MOST_ODD:
            return _nothing()
        objects = [one if one else _odd(place) for place, one in found]
        sure = min((one.confidence for one in objects if one.confidence), default=0.0 if odd else ground.confidence)
        count = Read(len(objects), sure) if not odd else _UNREAD
        return Reading({"count": count, "ground": ground, "objects": Read([one.value for one in objects], sure)})

    def _bank_for(self, size_px: int) -> Bank:
        dial = self._config.difficulty
        return Bank(geometry(size_px), self._config.kinds, dial.sizes, dial.jitter)

    def _objects(self, view: View, bank: Bank) -> list[tuple[str, Read | None]]:
        """Place and object of every place that is not empty; None for what is no whole shape."""
        seen = windows(view.cells)
        energy = (seen**2).sum((1, 2, 3)) - seen[0].size * view.noise**2
        taken = np.flatnonzero(energy > _EMPTY_SHARE * bank.least_energy * _FAINTEST_CONTRAST**2)
        if not len(taken):
            return []
        matches = bank.best(seen[taken], view.noise)
        return [(PLACES[at], self._object(PLACES[at], match, view)) for at, match in zip(taken, matches, strict=True)]

    def _object(self, place: str, match: Match, view: View) -> Read | None:
        whole = match.strips.min() >= _STRIP_RANGE[0] and match.strips.max() <= _STRIP_RANGE[1]
        plain = match.color_spread <= _MOST_COLOR_SPREAD + _SPREAD_OVER_NOISE * view.noise
        if match.residual > _MOST_RESIDUAL or not whole or not plain:
            return None
        wanted = max(_LEAST_MARGIN, _MARGIN_OVER_RESIDUAL * match.residual, _MARGIN_OVER_NOISE * match.grain)
        color = _named(match.color, self._contrasts(view.ground), _STRENGTH)
        stated = {
            "kind": match.kind if match.kind_margin > wanted else None,
            "color": color.value,
            "size": match.size if match.size_margin > wanted else None,
            "place": place,
        }
        least = min(match.kind_margin, match.size_margin)
        fit = (1 - max(0.0, match.residual)) * (1 - 0.5 * wanted / max(least, wanted))
        return Read(stated, float(fit) * (0.5 + 0.5 * color.confidence))

    def _contrasts(self, ground: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.float32(COLORS[name]) - ground for name in self._config.colors}


def read(pixels: np.ndarray, config: ShapesConfig | None = None) -> Reading:
    """What uint8 `pixels` (size, size, 3) show, in the default world or that of `config`.

    Raises: DataError as `ShapesReader.read`.
    """
    return _reader((config or ShapesConfig()).model_dump_json()).read(pixels)


@lru_cache(maxsize=4)
def _reader(config_json: str) -> ShapesReader:
    return ShapesReader(ShapesConfig.model_validate_json(config_json))


def _nothing() -> Reading:
    return Reading(dict.fromkeys(ATTRIBUTES, _UNREAD))


def _odd(place: str) -> Read:
    return Read({"kind": None, "color": None, "size": None, "place": place}, 0.0)


def _named(seen: np.ndarray, names: dict[str, Any], strength: tuple[float, float] = (1.0, 1.0)) -> Read:
    """The name whose colour lies nearest, if it can be stated; each name's colour may be so many times stronger."""
    colors = np.float32(list(names.values()))
    times = np.clip(colors @ seen / np.maximum((colors**2).sum(1), 1e-6), *strength)
    apart = np.linalg.norm(times[:, None] * colors - seen, axis=1)
    first, *rest = np.argsort(apart)
    margin = float(apart[rest[0]] - apart[first]) if rest else 1.0
    if apart[first] > _COLOR_REACH or margin < _COLOR_MARGIN:
        return _UNREAD
    return Read(list(names)[first], min(1.0, margin / (3 * _COLOR_MARGIN)))
