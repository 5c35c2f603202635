"""Putting facts into one short text: an opening, then a clause each for time, weather and battery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.worlds.text import article, listed, pick
from bothways.worlds.watch import templates
from bothways.worlds.watch.facts import time_text
from bothways.worlds.watch.palette import HANDS


def tell(
    heads: Sequence[str],
    states: Mapping[str, Any],
    words: Mapping[str, str],
    parts: Sequence[str],
    rng: np.random.Generator,
) -> str:
    """A text that names exactly the attributes of `states` (`words`: their values as words).

    `heads` are openings; `parts` are the hands that are told together as "07:35:12" when all are stated.
    """
    color = words.get("color", "")
    head = pick(heads, rng).format(color=color, a_color=article(color) if color else "")
    clauses = [
        *_time(states, parts, rng),
        *_icon("weather", (templates.WEATHER, templates.WEATHER_CORNER, templates.WEATHER_BOTH), words, rng),
        *_icon("battery", (templates.BATTERY, templates.BATTERY_CORNER, templates.BATTERY_BOTH), words, rng),
    ]
    pieces = [head, *(clauses[i] for i in rng.permutation(len(clauses)))]
    return listed(pieces, rng)


def _time(states: Mapping[str, Any], parts: Sequence[str], rng: np.random.Generator) -> list[str]:
    if parts and all(hand in states for hand in parts):
        return [pick(templates.TIME, rng).format(time=time_text(dict(states), tuple(parts)))]
    stated = [hand for hand in HANDS if hand in states]
    wording = pick(templates.HAND, rng)
    return [", ".join(wording.format(unit=hand, value=states[hand]) for hand in stated)] if stated else []


def _icon(name: str, wordings: Sequence[Sequence[str]], words: Mapping[str, str], rng: np.random.Generator) -> list[str]:
    """The clause for an icon's value, its corner, or both."""
    value, corner = words.get(name), words.get(f"{name}_corner")
    if value is None and corner is None:
        return []
    wording = wordings[2] if value and corner else wordings[0] if value else wordings[1]
    return [pick(wording, rng).format(**{name: value, "corner": corner})]
