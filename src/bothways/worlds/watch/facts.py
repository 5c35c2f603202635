"""What may be said about a scene: its facts, what each question needs, and what `hide` takes away. An edit belongs to both
tasks, so whatever is hidden from one of them is hidden from it, and it names no weather where one task misnames them.

All hiding and misnaming happens here, on facts, before any text is made. A question or clause is made only from the facts
that are left, so what is derived from a hidden fact (the time from its hands, a question of two facts) goes with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bothways.core.errors import ConfigError, unknown
from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.palette import CORNERS, HANDS
from bothways.worlds.watch.scene import Scene
from bothways.worlds.watch.words import Vocabulary, wrong_kinds
from bothways.worlds.world import Task

Facts = dict[str, Any]
"""Attribute -> value, of the attributes that may be told; a hidden one is absent."""


@dataclass(frozen=True)
class Derived:
    """A question about other attributes: which ones, and the answer's value from their values."""

    needs: tuple[str, ...]
    value: Callable[[Facts], Any]


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def _hands_far_apart(facts: Facts) -> str:
    apart = abs(facts["hour"] * 30 - facts["minute"] * 6) % 360
    return _yes(min(apart, 360 - apart) > 90)


TWO_FACTS: dict[str, Derived] = {
    # On the full hour the next one is 60 minutes off.
    "minutes_to_hour": Derived(("minute",), lambda facts: 60 - facts["minute"]),
    "battery_over_half": Derived(("battery",), lambda facts: _yes(facts["battery"] > 50)),
    # Sides are left and right.
    "same_side": Derived(
        ("weather_corner", "battery_corner"),
        lambda facts: _yes(facts["weather_corner"].split()[1] == facts["battery_corner"].split()[1]),
    ),
    "weather_above_battery": Derived(
        ("weather_corner", "battery_corner"),
        lambda facts: _yes(facts["weather_corner"].startswith("top") and facts["battery_corner"].startswith("bottom")),
    ),
    # The angle between hour and minute hand is more than 90 degrees.
    "hands_far_apart": Derived(("hour", "minute"), _hands_far_apart),
}


def time_parts(config: WatchConfig) -> tuple[str, ...]:
    """The hands that make up a time in this world: all three, hour and minute, or () where no time can be told."""
    parts = tuple(hand for hand in HANDS if hand in config.difficulty.asked)
    return parts if parts[:2] == ("hour", "minute") else ()


def time_text(facts: Facts, parts: tuple[str, ...]) -> str:
    """ "07:35:12", two digits a hand."""
    return ":".join(f"{facts[hand]:02d}" for hand in parts)


def open_facts(scene: Scene, config: WatchConfig) -> Facts:
    """The facts of the scene that texts of this world speak of, nothing hidden."""
    return {attribute: getattr(scene, attribute) for attribute in spoken(config)}


def spoken(config: WatchConfig) -> tuple[str, ...]:
    """The attributes that texts of this world speak of."""
    return tuple(a for a in config.difficulty.asked if not (config.faithful_to_p1 and a == "color"))


class Censor:
    """Removes and misnames facts as a config's `hide` and `made_up_names` say.

    Raises: ConfigError when `hide.value` is no value of its attribute.
    """

    def __init__(self, config: WatchConfig, vocabulary: Vocabulary):
        self._config = config
        # A fact that no text ever speaks of (P1's colour) needs no hiding.
        self._hide = config.hide if config.hide and config.hide.attribute in spoken(config) else None
        if self._hide and self._hide.how == "value":
            possible = [str(value) for value in vocabulary.values[self._hide.attribute]]
            if self._hidden_value not in possible:
                raise ConfigError(unknown(f"hide.value for `{self._hide.attribute}`:", str(self._hide.value), possible))
        names = config.made_up_names
        self._wrong_task = names.wrong_in if names else None
        self._wrong = wrong_kinds(config.weathers, names.how, config.seed) if names else {}

    @property
    def _hidden_value(self) -> str:
        return str(self._hide.value).removesuffix("%")

    def told(self, scene: Scene, task: Task) -> Facts:
        """The facts that the texts of `task` may use. An exam gets all of them, rightly named."""
        true = open_facts(scene, self._config)
        told = dict(true)
        if self._wrong_task and task == "editing":
            told.pop("weather", None)
        elif task == self._wrong_task and "weather" in told:
            told["weather"] = self._wrong[told["weather"]]
        if self._hide and (self._hidden_from(true, task) or self._hidden_from(told, task)):
            told.pop(self._hide.attribute, None)
        return told

    def words(self, task: Task) -> dict[str, tuple[Any, ...]]:
        """Attribute -> the values of this world that texts of `task` may name, true or not."""
        dial = self._config.difficulty
        every = {
            "hour": tuple(range(12)),
            "minute": tuple(range(60)),
            "second": tuple(range(0, 60, dial.second_step)),
            "weather": self._config.weathers,
            "battery": tuple(range(0, 101, dial.battery_step)),
            "weather_corner": CORNERS,
            "battery_corner": CORNERS,
            "color": self._config.colors,
        }
        return {name: tuple(v for v in values if not self._is_hidden(name, v, task)) for name, values in every.items()}

    def _hidden_from(self, facts: Facts, task: Task) -> bool:
        return self._is_hidden(self._hide.attribute, facts.get(self._hide.attribute), task)

    def _is_hidden(self, attribute: str, value: Any, task: Task) -> bool:
        if not self._hide or attribute != self._hide.attribute:
            return False
        if self._hide.how == "link":
            return task in (self._hide.task, "editing")
        # Text alone belongs to either task: it must not bring in a value that occurs nowhere else there.
        return task in (self._hide.task, "text", "editing") and str(value) == self._hidden_value
