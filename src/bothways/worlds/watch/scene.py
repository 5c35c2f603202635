"""One watch face as facts: drawn by seed, split and index; splits are disjoint in what a picture shows.

A scene belongs to train, validation or test by a hash of what can be seen in it, so no two of these share a picture,
whatever their seeds. Some pairs of values are held out (`held_out`): they occur in the split `composition` alone, while
each single value occurs everywhere. Neither rule depends on the seed or the dial, so a tokenizer trained on the train
split of one world has not seen the test or composition scenes of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.core.randomness import rng
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.palette import COLORS, CORNERS, WEATHERS, nearest_color

_SHARES = (("train", 0.8), ("validation", 0.9), ("test", 1.0))
_COLOR_JITTER = 0.03
_COLOR_INDEX = {name: index for index, name in enumerate(COLORS)}


@dataclass(frozen=True)
class Distractor:
    """A grey shape without meaning. `offset` as in `Scene`."""

    corner: str
    shape: str
    offset: tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """The facts of one picture, then nuisance. Hour, minute and second are independent: each hand stands on a whole mark.

    `rgb` is the disc's colour in [0, 1], `color` its name. Offsets are in [-1, 1], as a share of the room in the corner.
    """

    hour: int
    minute: int
    second: int
    weather: str
    battery: int
    weather_corner: str
    battery_corner: str
    color: str
    rgb: tuple[float, float, float]
    hands_shown: tuple[str, ...] = ("hour", "minute", "second")
    icon_offset: tuple[float, float] = (0.0, 0.0)
    icon_scale: float = 1.0
    battery_offset: tuple[float, float] = (0.0, 0.0)
    distractors: tuple[Distractor, ...] = ()
    ground_seed: int | None = None

    def facts(self) -> dict[str, Any]:
        """What the picture shows, with the keys of scenes.jsonl and `rgb`; None for a hand that is not drawn."""
        hands = {name: getattr(self, name) if name in self.hands_shown else None for name in ("hour", "minute", "second")}
        return {
            **hands,
            "weather": self.weather,
            "battery": self.battery,
            "weather_corner": self.weather_corner,
            "battery_corner": self.battery_corner,
            "color": self.color,
            "rgb": list(self.rgb),
        }


def held_out(scene: Scene) -> bool:
    """Whether the scene contains a pair of values that is kept for the split `composition`.

    Pairs: weather with its corner (1 of 4), weather with colour (1 of 6), hour with the battery's corner (1 of 4). Index
    sums modulo 4 or 6 meet every row and every column, so no value is ever held out altogether.
    """
    weather = WEATHERS.index(scene.weather)
    return (
        (weather + CORNERS.index(scene.weather_corner)) % 4 == 3
        or (weather + _COLOR_INDEX[scene.color]) % 6 == 2
        or ("hour" in scene.hands_shown and (scene.hour % 12 + CORNERS.index(scene.battery_corner)) % 4 == 1)
    )


def split_of(scene: Scene) -> str:
    """The only split in which this scene may occur."""
    if held_out(scene):
        return "composition"
    seen = [getattr(scene, hand) % 60 for hand in ("hour", "minute") if hand in scene.hands_shown]
    if "hour" in scene.hands_shown:
        seen[0] %= 12
    key = (*seen, scene.weather, scene.battery // 10, scene.weather_corner, scene.battery_corner, scene.color)
    share = int.from_bytes(blake2b(repr(key).encode(), digest_size=6).digest(), "big") / 2**48
    return next(split for split, below in _SHARES if share < below)


def draw_scene(config: WatchConfig, split: str, index: int) -> Scene:
    """Scene `index` of a split; the same for ever. Raises: DataError when there is no such split."""
    if split not in ("train", "validation", "test", "composition"):
        raise DataError(f"Unknown split `{split}`; the watch world has train, validation, test and composition.")
    generator = rng(config.seed, "watch", split, index)
    while True:
        scene = _any_scene(config, generator)
        if split_of(scene) == split:
            return scene


def _any_scene(config: WatchConfig, generator: np.random.Generator) -> Scene:
    dial = config.difficulty
    # One call draws everything: a numpy call costs microseconds, and rejection repeats it some twenty times.
    u = generator.random(24).tolist()
    corners = _different_corners(u[5], u[6])
    if config.faithful_to_p1:
        rgb = (u[7], u[8], u[9])
        color = nearest_color(rgb, dial.num_colors)
    else:
        color = config.colors[int(u[10] * dial.num_colors)]
        spread = 2 * _COLOR_JITTER
        r, g, b = (min(1.0, max(0.0, c + spread * (x - 0.5))) for c, x in zip(COLORS[color], u[7:10], strict=True))
        rgb = (r, g, b)
    return Scene(
        hour=int(u[0] * (13 if config.faithful_to_p1 else 12)),
        minute=int(u[1] * 60),
        second=int(u[2] * (60 // dial.second_step)) * dial.second_step,
        weather=WEATHERS[int(u[3] * dial.num_weathers)],
        battery=int(u[4] * (100 // dial.battery_step + 1)) * dial.battery_step,
        weather_corner=corners[0],
        battery_corner=corners[1],
        color=color,
        rgb=rgb,
        hands_shown=dial.hands,
        icon_offset=_offset(u[11:13], dial.jitter),
        icon_scale=1 + dial.scale_spread * u[13],
        battery_offset=_offset(u[14:16], dial.jitter),
        distractors=tuple(
            Distractor(corners[2 + i], SHAPES[int(u[16 + i] * len(SHAPES))], _offset(u[18 + 2 * i : 20 + 2 * i], dial.jitter))
            for i in range(dial.num_distractors)
        ),
        ground_seed=int(u[22] * 2**31) if dial.ground == "cluttered" else None,
    )


SHAPES: tuple[str, ...] = ("square", "ring", "triangle", "cross")


def _offset(pair: list[float], jitter: float) -> tuple[float, float]:
    return ((2 * pair[0] - 1) * jitter, (2 * pair[1] - 1) * jitter)


def _different_corners(first: float, second: float) -> list[str]:
    """Weather's corner, battery's corner, and the two left over."""
    rest = list(CORNERS)
    weather = rest.pop(int(first * 4))
    battery = rest.pop(int(second * 3))
    return [weather, battery, *rest]
