"""Captions and requests: a head with the number of shapes, the ground, then a clause for each shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bothways.worlds.shapes import templates
from bothways.worlds.shapes.facts import Object, Told
from bothways.worlds.shapes.words import at, noun_phrase
from bothways.worlds.text import article, listed, pick
from bothways.worlds.world import Telling


def tell(heads: Sequence[str], states: dict[str, Any], rng: np.random.Generator, prompt: str = "") -> Telling:
    """A text that names exactly what `states` holds, shapes in that order."""
    head = pick(heads, rng).format(shapes=_number(states.get("count")))
    ground = [pick(templates.GROUND, rng).format(ground=states["ground"])] if "ground" in states else []
    plain, placed = pick(templates.OBJECT, rng), pick(templates.OBJECT_PLACED, rng)  # one style a text
    clauses = [_clause(one, plain, placed) for one in states.get("objects", ())]
    pieces = [*ground, *clauses] if rng.random() < 0.7 else [*clauses, *ground]
    if pieces and ground and pieces[0] is ground[0] and pieces[0].startswith(("on ", "with ")):
        head, pieces = f"{head} {pieces[0]}", pieces[1:]
    return Telling(listed([head, *pieces], rng), states, prompt)


def everything(told: Told, rng: np.random.Generator) -> dict[str, Any]:
    """All that may be told, shapes in any order."""
    return told.states([told.objects[index] for index in rng.permutation(len(told.objects))])


def a_part(told: Told, mention: float, rng: np.random.Generator) -> dict[str, Any]:
    """Something of what may be told, and not all of it: each shape, and each fact of one, by chance. {} where nothing is."""
    for _ in range(8):
        states = everything(told, rng)
        objects = [{n: v for n, v in one.items() if rng.random() < mention} for one in states.pop("objects", ())]
        kept = {name: value for name, value in states.items() if rng.random() < mention}
        objects = [one for one in objects if one and rng.random() < mention]
        found = kept | ({"objects": objects} if objects else {})
        if found and not _same(found, told):
            return found
    return {"ground": told.ground} if told.ground is not None and told.objects else {}


def _same(states: dict[str, Any], told: Told) -> bool:
    whole = told.states()
    return sum(map(len, states.get("objects", ()))) == sum(map(len, whole.get("objects", ()))) and len(states) == len(whole)


def _number(count: int | None) -> str:
    return "shapes" if count is None else "1 shape" if count == 1 else f"{count} shapes"


def _clause(one: Object, plain: str, placed: str) -> str:
    phrase = noun_phrase({name: value for name, value in one.items() if name != "place"})
    slots = {"it": phrase, "an_it": article(phrase)}
    if "place" not in one:
        return plain.format(**slots)
    return placed.format(**slots, place=one["place"], at=at(one["place"]))
