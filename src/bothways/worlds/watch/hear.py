"""Hearing: what a caption or a request says, as attribute -> value.

It understands every telling that `say` can produce (a test goes through thousands) and near misses that a model may
write. It never guesses: an attribute named twice with different values, or with a value that does not exist, is not
heard at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bothways.worlds.text import plain
from bothways.worlds.watch.words import Vocabulary

_TIME = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])")
_HAND = re.compile(r"\b(hour|minute|second)(?: hand)?(?: is| at| on)* (\d{1,2})\b(?![:%])")
_BATTERY = re.compile(r"(?<!\d)(\d{1,3}) ?(?:%|percent\b)")
_CLAUSES = re.compile(r"[,.;!?\n]| and ")


def hear(text: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """The attribute values that `text` states, in the types of the scene's facts."""
    text = plain(text)
    found: dict[str, list[Any]] = {
        "weather": [vocabulary.weather_kinds[word] for word in vocabulary.weather_pattern.findall(text)],
        "color": vocabulary.color_pattern.findall(text),
        "battery": [int(level) for level in _BATTERY.findall(text)],
        **_corners(text, vocabulary),
        **_hands(text),
    }
    heard = {attribute: _agreed(values, vocabulary.values[attribute]) for attribute, values in found.items()}
    return {attribute: value for attribute, value in heard.items() if value is not None}


def _hands(text: str) -> dict[str, list[int]]:
    hands: dict[str, list[int]] = {"hour": [], "minute": [], "second": []}
    for parts in _TIME.findall(text):
        for unit, value in zip(hands, parts, strict=True):
            hands[unit] += [int(value)] if value else []
    for unit, value in _HAND.findall(text):
        hands[unit].append(int(value))
    return hands


def _corners(text: str, vocabulary: Vocabulary) -> dict[str, list[str]]:
    corners: dict[str, list[str]] = {"weather_corner": [], "battery_corner": []}
    for clause in _CLAUSES.split(text):
        about_weather = re.search(r"\b(weather|icon|sky)\b", clause) or vocabulary.weather_pattern.search(clause)
        about_battery = re.search(r"\b(battery|charge|power)|%", clause)
        if bool(about_weather) != bool(about_battery):
            corners["weather_corner" if about_weather else "battery_corner"] += vocabulary.corner_pattern.findall(clause)
    return corners


def _agreed(values: Iterable[Any], possible: Iterable[Any]) -> Any:
    """The one value that was stated, or None."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 and distinct <= set(possible) else None
