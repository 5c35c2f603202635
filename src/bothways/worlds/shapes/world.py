"""The shapes world: scenes, pictures, texts and the reader behind the door that every world has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bothways.worlds.shapes.config import ShapesConfig
from bothways.worlds.shapes.match import claims, marks, marks_of_edit
from bothways.worlds.shapes.render import render
from bothways.worlds.shapes.say import Speaker
from bothways.worlds.shapes.scene import Scene, draw_scene
from bothways.worlds.world import AbstractWorld, Reading, Said, Split, Task


class ShapesWorld(AbstractWorld):
    """One to six coloured shapes on a plain ground."""

    kind = "shapes"
    levels: Mapping[str, tuple[str, ...]] = {
        "object": ("kind", "color", "size", "place"),
        "counts": ("count", "count_of"),
        "relations": ("larger", "same_color", "same_kind", "left_of", "above"),
    }
    primary: Mapping[str, str] = {"reading": "object", "drawing": "placed"}
    gates = ("ground",)

    def __init__(self, config: ShapesConfig):
        self.config = config

    @cached_property
    def _speaker(self) -> Speaker:
        return Speaker(self.config)

    @property
    def attributes(self) -> tuple[str, ...]:
        return self._speaker.attributes

    @cached_property
    def _reader(self):
        from bothways.worlds.shapes.reader import ShapesReader

        return ShapesReader(self.config)

    def scene(self, split: Split, index: int) -> Scene:
        return draw_scene(self.config, split, index)

    def render(self, scene: Scene, size_px: int) -> np.ndarray:
        return render(scene, size_px)

    def read(self, pixels: np.ndarray) -> Reading:
        return self._reader.read(pixels)

    def facts(self, scene: Scene) -> dict[str, Any]:
        return scene.facts()

    def picture_digest(self) -> str:
        return self.config.picture_digest()

    def say(self, scene: Scene, task: Task, rng: np.random.Generator) -> Said:
        return self._speaker.say(scene, task, rng)

    def answer(self, scene: Scene, attribute: str) -> str:
        return self._speaker.answer(scene, attribute)

    def answers(self, scene: Scene) -> dict[str, str]:
        return self._speaker.answers(scene)

    def understand(self, attribute: str, text: str) -> Any:
        return self._speaker.understand(attribute, text)

    def grade(self, attribute: str, text: str, scene: Scene) -> float:
        return self._speaker.grade(attribute, text, scene)

    def hear(self, caption_text: str) -> dict[str, Any]:
        return self._speaker.hear(caption_text)

    def claims(self, stated: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
        return claims(stated, facts)

    def marks(self, wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
        return marks(wanted, seen)

    def edit_marks(self, before: Mapping[str, Any], wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
        return marks_of_edit(before, wanted, seen)
