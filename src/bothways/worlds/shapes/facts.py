"""What may be told about a scene: its facts, and what `hide` takes away.

All hiding happens here, on facts, before any text is made. Whatever says something about shapes sees a `Told` and nothing
else, so what is derived from a hidden fact (a relation from two places, a comparison from two sizes, "how many are red" from
colours) goes with it. A shape whose colour is hidden is still there: it is told as a shape without a colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bothways.core.errors import ConfigError, unknown
from bothways.worlds.shapes.config import MAX_SHAPES, ShapesConfig
from bothways.worlds.shapes.palette import PLACES
from bothways.worlds.shapes.scene import OF_AN_OBJECT, Scene
from bothways.worlds.world import Task

Object = Mapping[str, str]
"""Facts of one shape that may be told: some of kind, color, size, place."""


@dataclass(frozen=True)
class Told:
    """What texts may tell of one scene. `count` and `ground` are None where hidden, a hidden fact of an object is absent.

    `words`: attribute -> the values that a text of this task may name at all, true or not; for `count` the numbers.
    """

    count: int | None
    ground: str | None
    objects: tuple[Object, ...]
    words: Mapping[str, tuple[Any, ...]]

    @property
    def known(self) -> frozenset[str]:
        """The attributes of which anything may be told."""
        found = {name for one in self.objects for name in one}
        found |= {"count"} if self.count is not None else set()
        return frozenset(found | ({"ground"} if self.ground is not None else set()))

    def states(self, objects: Iterable[Object] | None = None) -> dict[str, Any]:
        """All of it as a telling states it; `objects`: in another order, or only these."""
        stated: dict[str, Any] = {} if self.count is None else {"count": self.count}
        stated |= {} if self.ground is None else {"ground": self.ground}
        listed = [dict(one) for one in (self.objects if objects is None else objects) if one]
        return stated | ({"objects": listed} if listed else {})


def row(one: Object) -> int:
    """Row of a place, 0 = top. Only for objects whose place may be told."""
    return PLACES.index(one["place"]) // 3


def column(one: Object) -> int:
    """Column of a place, 0 = left."""
    return PLACES.index(one["place"]) % 3


class Censor:
    """Removes facts as a config's `hide` says. Raises: ConfigError when `hide.value` is no value of its attribute."""

    def __init__(self, config: ShapesConfig):
        self._hide = config.hide
        dial = config.difficulty
        self.words: dict[str, tuple[Any, ...]] = {
            "kind": config.kinds,
            "color": config.colors,
            "size": dial.sizes,
            "place": PLACES,
            "count": tuple(range(MAX_SHAPES + 1)),
            "ground": config.grounds,
        }
        if self._hide and self._hide.how == "value":
            possible = [str(value) for value in self.words[self._hide.attribute]]
            if str(self._hide.value) not in possible:
                raise ConfigError(unknown(f"hide.value for `{self._hide.attribute}`:", str(self._hide.value), possible))

    def told(self, scene: Scene, task: Task) -> Told:
        """What the texts of `task` may tell. An exam gets everything; an edit belongs to both tasks."""
        facts, words = scene.facts(), dict(self.words)
        hidden = self._hide.attribute if self._hide else ""
        if hidden and self._applies(task):
            gone = self._gone(words[hidden])
            words[hidden] = tuple(value for value in words[hidden] if value not in gone)
            if hidden in OF_AN_OBJECT:
                facts["objects"] = [
                    {name: value for name, value in one.items() if name != hidden or value not in gone}
                    for one in facts["objects"]
                ]
            elif facts[hidden] in gone:
                facts[hidden] = None
        return Told(facts["count"], facts["ground"], tuple(facts["objects"]), words)

    def _applies(self, task: Task) -> bool:
        assert self._hide
        if task == "editing":
            return True
        # Text alone belongs to either task: it must not bring in a value that occurs nowhere else there.
        return task == self._hide.task or (task == "text" and self._hide.how == "value")

    def _gone(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values that may not be told."""
        assert self._hide
        return values if self._hide.how == "link" else tuple(v for v in values if str(v) == str(self._hide.value))
