"""The watch world: scenes, pictures, texts and the reader behind the door that every world has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bothways.worlds.watch.config import WatchConfig
from bothways.worlds.watch.edit_marks import marks_of_edit
from bothways.worlds.watch.render import render
from bothways.worlds.watch.say import Speaker
from bothways.worlds.watch.scene import Scene, draw_scene
from bothways.worlds.watch.words import wrong_kinds
from bothways.worlds.world import AbstractWorld, Reading, Said, Split, Task

LEVELS: Mapping[str, tuple[str, ...]] = {
    "glance": ("weather", "weather_corner", "battery_corner", "color"),
    "corners": ("weather_corner", "battery_corner"),
    "hands": ("hour", "minute"),
    "fine": ("second", "battery"),
}


class WatchWorld(AbstractWorld):
    """P1's smart-watch faces with their flaws mended; `config.faithful_to_p1` brings them back. A level holds those of its
    attributes that the dial asks for: where that is the hour alone, the hour is what is told of hands."""

    kind = "watch"
    primary: Mapping[str, str] = {"reading": "hands", "drawing": "hands"}
    gates = ("weather", "weather_corner", "battery_corner", "color", "glance", "corners")
    gate = ("weather", "weather_corner", "battery_corner")

    def __init__(self, config: WatchConfig):
        self.config = config
        self.attributes = config.difficulty.asked
        asked = {level: tuple(name for name in names if name in self.attributes) for level, names in LEVELS.items()}
        self.levels = {level: names for level, names in asked.items() if names}

    @cached_property
    def misnamed(self) -> Mapping[str, Mapping[str, str]]:
        names = self.config.made_up_names
        if not names or not names.wrong_in:
            return {}
        wrong = wrong_kinds(self.config.weathers, names.how, self.config.seed)
        return {"weather": {kind: other for kind, other in wrong.items() if kind != other}}

    @cached_property
    def _speaker(self) -> Speaker:
        return Speaker(self.config)

    @cached_property
    def _reader(self):
        from bothways.worlds.watch.reader import WatchReader

        return WatchReader(self.config)

    def scene(self, split: Split, index: int) -> Scene:
        return draw_scene(self.config, split, index)

    def render(self, scene: Scene, size_px: int) -> np.ndarray:
        return render(scene, self.config, size_px)

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
        return {attribute: self.answer(scene, attribute) for attribute in self._speaker.asked}

    def understand(self, attribute: str, text: str) -> Any:
        return self._speaker.understand(attribute, text)

    def grade(self, attribute: str, text: str, scene: Scene) -> float:
        return self._speaker.grade(attribute, text, scene)

    def hear(self, caption_text: str) -> dict[str, Any]:
        return self._speaker.hear(caption_text)

    def edit_marks(self, before: Mapping[str, Any], wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
        return marks_of_edit(before, wanted, seen)
