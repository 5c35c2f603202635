"""The words of one watch world: names of weathers (made up, if the config says so), colours, corners, and all values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bothways.core.randomness import shuffled
from bothways.worlds.text import any_of
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.palette import CORNERS, WEATHERS

# Short, unlike each other, and no words of any template.
MADE_UP: tuple[str, ...] = (
    "zib", "dax", "wug", "fep", "lom", "kiv", "gorp", "blick", "tupa", "nerf", "sobo", "quam", "jeb", "mip", "rull", "hask",
)  # fmt: skip


class Vocabulary:
    """Words and values in force under a config.

    `weather_words` maps a kind to its word and `weather_kinds` back; the patterns find whole words, longest first;
    `values` holds every value that a text may state, in the types of the scene's facts.
    """

    def __init__(self, config: WatchConfig):
        words = made_up_words(config.seed) if config.made_up_names else {kind: kind for kind in WEATHERS}
        self.weather_words: Mapping[str, str] = {kind: words[kind] for kind in config.weathers}
        self.weather_kinds: Mapping[str, str] = {word: kind for kind, word in self.weather_words.items()}
        self.weather_pattern = any_of(self.weather_kinds)
        self.color_pattern = any_of(config.colors)
        self.corner_pattern = any_of(CORNERS)
        self.values: Mapping[str, tuple[Any, ...]] = {
            # 12 is another name of hour 0: P1's scenes hold it, and a model may say it.
            "hour": tuple(range(13)),
            "minute": tuple(range(60)),
            "second": tuple(range(60)),
            "weather": config.weathers,
            "battery": tuple(range(101)),
            "weather_corner": CORNERS,
            "battery_corner": CORNERS,
            "color": config.colors,
        }

    def word(self, attribute: str, value: Any) -> str:
        """How a text names the value of a base attribute (a battery level without its percent sign)."""
        return self.weather_words[value] if attribute == "weather" else str(value)


def made_up_words(seed: int) -> dict[str, str]:
    """A made-up word for every weather kind, assigned by the world's seed."""
    order = shuffled(len(MADE_UP), seed, "watch", "made-up names")
    return {kind: MADE_UP[i] for kind, i in zip(WEATHERS, order, strict=False)}


def wrong_kinds(kinds: tuple[str, ...], how: str, seed: int) -> dict[str, str]:
    """Which kind's name each kind gets in the task with wrong names: two exchanged (`swapped`), or none right (`shuffled`)."""
    order = [kinds[i] for i in shuffled(len(kinds), seed, "watch", "wrong names")]
    circle = order[:2] if how == "swapped" else order
    return {kind: kind for kind in kinds} | dict(zip(circle, [*circle[1:], circle[0]], strict=True))
