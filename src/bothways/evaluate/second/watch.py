"""What the second reader names of a watch: every attribute of the world, each apart from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.evaluate.second.labels import AbstractLabels
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.palette import COLORS, CORNERS, HANDS, WEATHERS
from bothways.worlds.world import Read, Reading

MARKS = {"hour": 12, "minute": 60, "second": 60}
RADIUS = 0.4  # of the disc, as a share of the picture's side
_RIM_PX = 1.0  # what anti-aliasing adds to it


class WatchLabels(AbstractLabels):
    """Eight fields, named as the attributes are."""

    fields: Mapping[str, tuple[Any, ...]] = {
        **{hand: tuple(range(marks)) for hand, marks in MARKS.items()},
        "weather": WEATHERS,
        "battery": tuple(range(101)),
        "weather_corner": CORNERS,
        "battery_corner": CORNERS,
        "color": tuple(COLORS),
    }

    def of(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        hands = {hand: None if facts[hand] is None else facts[hand] % marks for hand, marks in MARKS.items()}
        return {name: facts[name] for name in self.fields} | hands

    def painted_over(
        self, pixels: np.ndarray, facts: Mapping[str, Any], draws: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """One corner, the hands, or the whole disc."""
        size = len(pixels)
        y, x = np.mgrid[:size, :size] + 0.5 - size / 2
        away, part = np.hypot(y, x), (*CORNERS, "hands", "disc")[draws.integers(6)]
        if part == "hands":
            return _filled(pixels, away < RADIUS * size - _RIM_PX, np.float32(facts["rgb"]) * 255), dict.fromkeys(HANDS)
        if part == "disc":
            return _filled(pixels, away < RADIUS * size + _RIM_PX, np.float32([255] * 3)), dict.fromkeys((*HANDS, "color"))
        here = (y < 0) == part.startswith("top")
        here &= (x < 0) == part.endswith("left")
        here &= away >= RADIUS * size + _RIM_PX
        gone = [
            name for thing in ("weather", "battery") if facts[f"{thing}_corner"] == part for name in (thing, f"{thing}_corner")
        ]
        return _filled(pixels, here, np.median(pixels[here], axis=0)), dict.fromkeys(gone)

    def in_use(self, world: WatchConfig) -> dict[str, Sequence[Any]]:
        dial = world.difficulty
        steps = {"second": dial.second_step, "battery": dial.battery_step}
        used = {name: values[:: steps.get(name, 1)] for name, values in self.fields.items()}
        used |= {hand: () for hand in HANDS if hand not in dial.hands}
        return used | {"weather": world.weathers, "color": world.colors}

    def why_not(self, world: WatchConfig) -> str | None:
        return "P1's faces (faithful_to_p1) are not among those it was trained on" if world.faithful_to_p1 else None

    def reading(self, reads: Mapping[str, Read]) -> Reading:
        return Reading(dict(reads))


def _filled(pixels: np.ndarray, mask: np.ndarray, color: np.ndarray) -> np.ndarray:
    filled = pixels.copy()
    filled[mask] = np.round(color).astype(np.uint8)
    return filled
