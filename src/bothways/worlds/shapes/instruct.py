"""Edit instructions: add, remove, recolour, move. The edited scene comes with the words.

An edited scene belongs to a split of its own; only edits that stay in the split of the scene they begin with are made, so
training on them shows no picture of another split.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bothways.core.errors import DataError
from bothways.worlds.shapes import edits, templates
from bothways.worlds.shapes.config import MAX_SHAPES, ShapesConfig
from bothways.worlds.shapes.facts import Told
from bothways.worlds.shapes.scene import OF_AN_OBJECT, Scene, split_of
from bothways.worlds.shapes.words import at, naming, noun_phrase
from bothways.worlds.text import article, pick
from bothways.worlds.world import Edit

KINDS: tuple[str, ...] = tuple(templates.EDITS)
_TRIES = 100


class Editor:
    """Edits of the scenes of one world."""

    def __init__(self, config: ShapesConfig):
        self._config = config
        self._makers: dict[str, Callable[[Scene, Told, np.random.Generator], tuple[Scene, dict[str, str]] | None]] = {
            "add": self._add, "remove": self._remove, "recolour": self._recolour, "move": self._move,
        }  # fmt: skip

    def draw(self, scene: Scene, told: Told, rng: np.random.Generator) -> Edit | None:
        """An edit of any kind, named by facts in `told` alone; None where none was found."""
        for _ in range(_TRIES):
            edit = self._once(pick(KINDS, rng), scene, told, rng)
            if edit:
                return edit
        return None

    def of_kind(self, kind: str, scene: Scene, told: Told, rng: np.random.Generator) -> Edit | None:
        """The same of one kind."""
        found = (self._once(kind, scene, told, rng) for _ in range(_TRIES))
        return next((edit for edit in found if edit), None)

    def _once(self, kind: str, scene: Scene, told: Told, rng: np.random.Generator) -> Edit | None:
        try:
            made = self._makers[kind](scene, told, rng)
        except DataError:  # a scene too full or too empty for it
            return None
        seed = self._config.composition_seed
        if not made or split_of(made[0], seed) != split_of(scene, seed):
            return None
        return Edit(pick(templates.EDITS[kind], rng).format(**made[1]), kind, made[0])

    def _add(self, scene: Scene, told: Told, rng: np.random.Generator):
        if scene.count >= min(MAX_SHAPES, self._config.difficulty.max_shapes) or not _all_words(told):
            return None
        place = pick(scene.free_places, rng)
        one = {name: pick(told.words[name], rng) for name in ("kind", "color", "size")}
        if place not in told.words["place"]:
            return None
        slots = {"an_it": article(noun_phrase(one)), "place": place, "at": at(place)}
        return edits.with_added(scene, **one, place=place), slots

    def _remove(self, scene: Scene, told: Told, rng: np.random.Generator):
        if scene.count <= self._config.difficulty.min_shapes:
            return None
        which, it = self._named(scene, told, rng)
        return it and (edits.without(scene, scene.shapes[which].place), {"it": it})

    def _recolour(self, scene: Scene, told: Told, rng: np.random.Generator):
        which, it = self._named(scene, told, rng)
        if not it or not told.words["color"]:
            return None
        color = pick(told.words["color"], rng)
        return edits.recoloured(scene, scene.shapes[which].place, color), {"it": it, "color": color}

    def _move(self, scene: Scene, told: Told, rng: np.random.Generator):
        which, it = self._named(scene, told, rng, without=("place",))
        which, it = (which, it) if it else self._named(scene, told, rng)
        places = [place for place in scene.free_places if place in told.words["place"]]
        if not it or not places:
            return None
        place = pick(places, rng)
        return edits.moved(scene, scene.shapes[which].place, place), {"it": it, "place": place, "at": at(place)}

    def _named(self, scene: Scene, told: Told, rng: np.random.Generator, without: tuple[str, ...] = ()):
        """A shape of the scene and its description, "" where the one drawn has none."""
        which = int(rng.integers(scene.count))
        found = naming(told, which, told.known - {"ground", *without}, rng)
        return which, found.text if found else ""


def _all_words(told: Told) -> bool:
    return all(told.words[name] for name in OF_AN_OBJECT)
