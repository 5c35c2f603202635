"""Reads the four corners: which holds the icon, which the battery, what kind and how full.

Each corner is compared with renderings of every hypothesis. A match is accepted when its normalised residual is small, no
other kind fits nearly as well, and every strip of the part is really there. What fits nothing is `odd`: it makes the
attribute that it looks most like unreadable, because there might be two of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.palette import CORNERS
from bothways.worlds.watch.read_banks import BatteryBank, IconBank
from bothways.worlds.watch.read_disc import Disc, View
from bothways.worlds.watch.read_window import Window
from bothways.worlds.watch.scene import SHAPES

# A residual is |picture - rendering|^2 / |rendering|^2, less what noise adds: 0 = the same, 1 = nothing there.
_MOST_RESIDUAL = 0.12
# By how much the best other kind must be worse, and by this many times what is left unexplained.
_LEAST_MARGIN = 0.04
_MARGIN_OVER_RESIDUAL = 2.0
# How strongly each strip of the part must show (1 = as rendered): one painted over shows 0.
_STRIP_RANGE = (0.5, 1.8)
# The same for a battery's level against levels 8 points away, whose renderings differ little.
_LEVEL_MARGIN_OVER_RESIDUAL = 0.3
# A percentage whose bar is missing.
_MOST_TEXT_RESIDUAL = 0.05
# Half an icon is about as unlike a battery as a whole icon; it is taken for an icon.
_BATTERY_BIAS = 0.8
# Below this share of the faintest icon's energy a corner is empty.
_EMPTY_SHARE = 0.12


@dataclass(frozen=True)
class Found:
    """One corner's content. `value` is a weather kind or a battery level, `confidence` in [0, 1].

    `what` = "odd": nothing known; `value` then says whether it looks more like an icon or a battery.
    """

    what: Literal["icon", "battery", "shape", "empty", "odd"]
    value: str | int | None = None
    confidence: float = 0.0


class CornerReader:
    """Renderings of all hypotheses for one world and one picture size."""

    def __init__(self, config: WatchConfig, look: View):
        dial = config.difficulty
        self._look = look
        self._pale_is_ground = dial.ground == "cluttered"
        kinds = (*config.weathers, *(SHAPES if dial.num_distractors else ()))
        self._windows = {corner: Window(look, corner, self._pale_is_ground) for corner in CORNERS}
        self._icons = {c: IconBank(w, kinds, dial.jitter, dial.scale_spread) for c, w in self._windows.items()}
        self._batteries = {c: BatteryBank(w, dial.jitter, dial.battery_step) for c, w in self._windows.items()}
        self._least_energy = min(bank.least_energy for bank in self._icons.values())

    def read(self, disc: Disc) -> dict[str, Found]:
        """Content by corner."""
        ink = disc.ground_free * self._look.outside
        if self._pale_is_ground:
            ink = without_pale(ink)
        cells = self._look.cells(ink)
        return {corner: self._read_corner(corner, cells, disc.noise) for corner in CORNERS}

    def _read_corner(self, corner: str, cells: np.ndarray, noise: float) -> Found:
        seen = self._windows[corner].cut(cells)
        if np.sum(seen**2) - seen.size * noise**2 < _EMPTY_SHARE * self._least_energy:
            return Found("empty")
        icon = self._icons[corner].best(seen, noise)
        battery = self._batteries[corner].best(seen, noise)
        fits = battery.residual < min(icon.residual, _MOST_RESIDUAL)
        if fits and battery.margin > _LEVEL_MARGIN_OVER_RESIDUAL * battery.residual and _whole(battery.strips):
            return Found("battery", battery.value, 1 - max(0.0, battery.residual))
        wanted = max(_LEAST_MARGIN, _MARGIN_OVER_RESIDUAL * icon.residual)
        if icon.residual < _MOST_RESIDUAL and icon.margin > wanted and _whole(icon.strips):
            what = "shape" if icon.value in SHAPES else "icon"
            return Found(what, icon.value, (1 - max(0.0, icon.residual)) * (1 - 0.5 * wanted / icon.margin))
        like_battery = battery.residual < _BATTERY_BIAS * icon.residual
        like_battery = like_battery or self._batteries[corner].text_residual(seen) < _MOST_TEXT_RESIDUAL
        return Found("odd", "battery" if like_battery else "icon")


def without_pale(ink: np.ndarray) -> np.ndarray:
    """Ink (3, ...) with what is nearly white taken for white: a cluttered ground is pale."""
    return ink * np.clip((ink.max(0) - 0.2) / 0.1, 0, 1)


def _whole(strips: np.ndarray) -> bool:
    return bool(strips.min() >= _STRIP_RANGE[0] and strips.max() <= _STRIP_RANGE[1])
