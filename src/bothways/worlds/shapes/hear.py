"""Hearing: what a caption or a request says of ground, number and shapes.

It understands every telling that `say` can produce (a test goes through thousands) and near misses that a model may write. It
never guesses: a number or ground named twice with different values is not heard, nor is a shape in a clause that names two
kinds, colours, sizes or places.
"""

from __future__ import annotations

import re
from typing import Any

from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, PLACES, SIZES
from bothways.worlds.shapes.scene import OF_AN_OBJECT
from bothways.worlds.text import any_of, plain

_CLAUSES = re.compile(r"[,.:;!?\n]| and ")
_NUMBER = re.compile(r"\b(\d+) shapes?\b")
_SHAPE = re.compile(r"(?<!\d )\bshape\b")
_PATTERNS = {"kind": any_of(KINDS), "color": any_of(COLORS), "size": any_of(SIZES), "place": any_of(PLACES)}
_GROUND = any_of(GROUNDS)


def hear(text: str, config: ShapesConfig) -> dict[str, Any]:
    """What `text` states: `count`, `ground` and `objects`, a list in the order of the text, each with what is said of it."""
    text = plain(text)
    found: dict[str, Any] = {}
    numbers, grounds = set(_NUMBER.findall(text)), set(_GROUND.findall(text))
    if len(numbers) == 1:
        found["count"] = int(numbers.pop())
    if len(grounds) == 1 and grounds <= set(config.grounds):
        found["ground"] = grounds.pop()
    objects = [one for clause in _CLAUSES.split(text) if (one := _object(clause, config))]
    return found | ({"objects": objects} if objects else {})


def _object(clause: str, config: ShapesConfig) -> dict[str, str]:
    """The shape that a clause tells of, {} where it tells of none or is unclear."""
    heard = {name: set(_PATTERNS[name].findall(clause)) for name in OF_AN_OBJECT}
    known = {"kind": config.kinds, "color": config.colors, "size": config.difficulty.sizes, "place": PLACES}
    if not (heard["kind"] or heard["color"] or _SHAPE.search(clause)):
        return {}
    if any(len(values) > 1 or not values <= set(known[name]) for name, values in heard.items()):
        return {}
    return {name: values.pop() for name, values in heard.items() if values}
