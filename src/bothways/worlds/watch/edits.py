"""Edits of a watch: pure functions from scenes to scenes. What would be no scene, or no change, is refused.

An edited scene has a split of its own (`scene.split_of`): whoever makes training data of edits keeps those that stay in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bothways.core.errors import DataError, unknown
from bothways.worlds.watch.palette import COLORS, CORNERS, HANDS, WEATHERS
from bothways.worlds.watch.scene import Scene

_NAMES = {"weather": WEATHERS, "weather_corner": CORNERS, "battery_corner": CORNERS, "color": tuple(COLORS)}
_NUMBERS = {"hour": range(12), "minute": range(60), "second": range(60), "battery": range(101)}


def changed(scene: Scene, **facts: Any) -> Scene:
    """The scene with these facts in place of its own; a new colour is painted as its name has it.

    Raises: DataError for a value that does not exist, a hand that is not drawn, a corner that is taken, or facts that are all
    true already.
    """
    for attribute, value in facts.items():
        _check(scene, attribute, value)
    if all(is_so(scene, attribute, value) for attribute, value in facts.items()):
        told = ", ".join(f"{attribute} {value}" for attribute, value in facts.items())
        raise DataError(f"The watch has {told} already; ask for something else.")
    if "color" in facts:
        facts["rgb"] = COLORS[facts["color"]]
    return replace(scene, **facts)


def is_so(scene: Scene, attribute: str, value: Any) -> bool:
    """Whether the scene shows that value already; hour 12, which P1's scenes have, is hour 0."""
    shown = getattr(scene, attribute)
    return value == (shown % 12 if attribute == "hour" else shown)


def free_corners(scene: Scene) -> tuple[str, ...]:
    """Corners with neither weather, battery nor a distractor."""
    taken = {scene.weather_corner, scene.battery_corner, *(one.corner for one in scene.distractors)}
    return tuple(corner for corner in CORNERS if corner not in taken)


def _check(scene: Scene, attribute: str, value: Any) -> None:
    if attribute in _NAMES:
        if value not in _NAMES[attribute]:
            raise DataError(unknown(attribute, value, _NAMES[attribute]))
    elif attribute not in _NUMBERS:
        raise DataError(unknown("fact of a watch", attribute, [*_NAMES, *_NUMBERS]))
    elif value not in _NUMBERS[attribute]:
        raise DataError(f"Found {attribute} {value}; expected 0 to {len(_NUMBERS[attribute]) - 1}.")
    if attribute in HANDS and attribute not in scene.hands_shown:
        raise DataError(f"The watch has no {attribute} hand; it has {', '.join(scene.hands_shown)}.")
    if attribute.endswith("_corner") and value != getattr(scene, attribute) and value not in free_corners(scene):
        raise DataError(f"The corner `{value}` is taken; free corners are {', '.join(free_corners(scene)) or 'none'}.")
