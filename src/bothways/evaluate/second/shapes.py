"""What the second reader names of a picture of shapes: the ground, and place by place what lies there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.evaluate.second.labels import AbstractLabels
from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.palette import COLORS, GROUNDS, KINDS, PLACES, SIZES
from bothways.worlds.world import Read, Reading

NOTHING = "nothing"
OF_A_PLACE: dict[str, tuple[str, ...]] = {"kind": (*KINDS, NOTHING), "color": tuple(COLORS), "size": SIZES}
_MOST_UNREADABLE = 4  # more places than this: it is no picture of shapes, as for the world's own reader


class ShapesLabels(AbstractLabels):
    """`ground`, and `kind@PLACE`, `color@PLACE`, `size@PLACE` of nine places."""

    fields: Mapping[str, tuple[Any, ...]] = {
        "ground": tuple(GROUNDS),
        **{f"{name}@{place}": values for place in PLACES for name, values in OF_A_PLACE.items()},
    }

    def of(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        empty = {f"kind@{place}": NOTHING for place in PLACES}
        there = {f"{name}@{one['place']}": one[name] for one in facts["objects"] for name in OF_A_PLACE}
        return {"ground": facts["ground"]} | empty | there

    def painted_over(
        self, pixels: np.ndarray, facts: Mapping[str, Any], draws: np.random.Generator
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """One shape, or half of it, in the colour of the ground: a picture's first pixel, which no shape reaches."""
        place = facts["objects"][draws.integers(len(facts["objects"]))]["place"]
        row, column = divmod(PLACES.index(place), 3)
        edges = np.linspace(0, len(pixels), 7).round().astype(int)  # of half places
        top, bottom, left, right = 2 * row, 2 * row + 2, 2 * column, 2 * column + 2
        half = draws.integers(5)
        top, bottom = (top + 1, bottom) if half == 1 else (top, bottom - 1) if half == 2 else (top, bottom)
        left, right = (left + 1, right) if half == 3 else (left, right - 1) if half == 4 else (left, right)
        left_over = pixels.copy()
        left_over[edges[top] : edges[bottom], edges[left] : edges[right]] = pixels[0, 0]
        return left_over, {f"{name}@{place}": None for name in OF_A_PLACE} | ({f"kind@{place}": NOTHING} if half == 0 else {})

    def in_use(self, world: ShapesConfig) -> dict[str, Sequence[Any]]:
        used = {"kind": (*world.kinds, NOTHING), "color": world.colors, "size": world.difficulty.sizes}
        return {name: used.get(name.partition("@")[0], world.grounds) for name in self.fields}

    def why_not(self, world: ShapesConfig) -> str | None:
        return None

    def reading(self, reads: Mapping[str, Read]) -> Reading:
        """`count`, `ground` and `objects` as in `worlds/shapes/scene.py`, unreadable under the same conditions."""
        kinds = {place: reads[f"kind@{place}"] for place in PLACES}
        odd = sum(one.value is None for one in kinds.values())
        sure = min((one.confidence for one in kinds.values() if one.value is not None), default=0.0)
        if odd > _MOST_UNREADABLE or reads["ground"].value is None:
            return Reading(dict.fromkeys(("count", "ground", "objects"), Read(None, 0.0)))
        there = [place for place, one in kinds.items() if one.value != NOTHING]
        objects = [{name: _part(reads, name, place) for name in OF_A_PLACE} | {"place": place} for place in there]
        count = Read(None, 0.0) if odd else Read(len(objects), sure)
        return Reading({"count": count, "ground": reads["ground"], "objects": Read(objects, sure)})


def _part(reads: Mapping[str, Read], name: str, place: str) -> Any:
    """Of what is no whole shape nothing is told but where it lies."""
    return None if reads[f"kind@{place}"].value is None else reads[f"{name}@{place}"].value
