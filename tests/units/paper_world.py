"""A world small enough to hold in the head: facts are written into the corner pixels, so reading is exact; and a student
who answers right with a chance that the test sets. Used by the tests of evaluation and studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from bothways.core.randomness import rng
from bothways.core.sample import ArrayPicture, Image, Sample, Text
from bothways.core.tally import Tally
from bothways.data.worlds import ExamItem
from bothways.worlds.world import AbstractWorld, Ask, Edit, Read, Reading, Said, Telling, WorldConfig

CORNERS = ("top left", "top right", "bottom left", "bottom right")
VALUES: dict[str, tuple[Any, ...]] = {
    "hour": tuple(range(12)),
    "minute": tuple(range(60)),
    "weather": ("sunny", "cloudy", "raining"),
    "weather_corner": CORNERS,
    "battery_corner": CORNERS,
    "battery": tuple(range(101)),
}
UNREADABLE = 255


class PaperConfig(WorldConfig):
    kind: str = "paper_world:PaperConfig"
    seed: int = 0

    def build(self) -> PaperWorld:
        return PaperWorld(self)


@dataclass(frozen=True)
class PaperScene:
    facts: tuple[Any, ...]


class PaperWorld(AbstractWorld):
    kind = "paper"
    attributes = tuple(VALUES)
    levels = {"corners": ("weather_corner", "battery_corner"), "hands": ("hour", "minute")}
    gate = ("weather", "weather_corner", "battery_corner")

    def __init__(self, config: PaperConfig | None = None):
        self.config = config or PaperConfig()

    def scene(self, split: str, index: int) -> PaperScene:
        draw = rng(self.config.seed, "paper", split, index)
        return PaperScene(tuple(values[draw.integers(len(values))] for values in VALUES.values()))

    def render(self, scene: PaperScene, size_px: int) -> np.ndarray:
        page = np.full((size_px, size_px, 3), 200, np.uint8)
        page[0, : len(VALUES), 0] = [values.index(fact) for values, fact in zip(VALUES.values(), scene.facts, strict=True)]
        return page

    def read(self, pixels: np.ndarray) -> Reading:
        codes = dict(zip(VALUES, pixels[0, : len(VALUES), 0].tolist(), strict=True))
        seen = {name: None if code >= len(VALUES[name]) else VALUES[name][code] for name, code in codes.items()}
        return Reading({name: Read(value, float(value is not None)) for name, value in seen.items()})

    def facts(self, scene: PaperScene) -> dict[str, Any]:
        return dict(zip(VALUES, scene.facts, strict=True))

    def picture_digest(self) -> str:
        return self.config.digest()

    def say(self, scene: PaperScene, task: str, rng: np.random.Generator) -> Said:
        facts = self.facts(scene)
        asks = [Ask(name, "attribute", f"what {name}?", self.answer(scene, name)) for name in VALUES]
        asks.append(Ask("afternoon", "two_facts", "past half?", self.answer(scene, "afternoon")))
        text = ", ".join(f"{name} {value}" for name, value in facts.items())
        some = {name: facts[name] for name in ("weather", "hour")}
        partly = ", ".join(f"{name} {value}" for name, value in some.items())
        requests = Telling(f"draw {text}", facts), Telling(f"draw {partly}", some)
        edits = (self._edit(scene, "weather", "make it {}"), self._edit(scene, "battery", "set the battery to {}"))
        return Said(tuple(asks), (Telling(text, facts, "describe"),), requests, edits=edits)

    def _edit(self, scene: PaperScene, name: str, wording: str) -> Edit:
        values, facts = VALUES[name], self.facts(scene)
        facts[name] = values[(values.index(facts[name]) + 1) % len(values)]
        return Edit(wording.format(facts[name]), name, PaperScene(tuple(facts.values())))

    def edit_marks(self, before: Mapping[str, Any], wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, float]:
        asked = [name for name in wanted if wanted[name] != before[name]]
        marks = {"asked": float(all(seen[name] == wanted[name] for name in asked))}
        marks["kept"] = float(all(seen[name] == before[name] for name in self.gate if name not in asked))
        return marks | ({} if "battery" in asked else {"battery_kept": float(seen["battery"] == before["battery"])})

    def answer(self, scene: PaperScene, attribute: str) -> str:
        facts = self.facts(scene)
        if attribute == "afternoon":
            return "yes" if facts["hour"] >= 6 else "no"
        return f"{facts[attribute]}%" if attribute == "battery" else str(facts[attribute])

    def understand(self, attribute: str, text: str) -> Any:
        if attribute == "afternoon":
            return text if text in ("yes", "no") else None
        named = {str(value): value for value in VALUES[attribute]}
        return named.get(text.removesuffix("%"))

    def grade(self, attribute: str, text: str, scene: PaperScene) -> float:
        return float(text == self.answer(scene, attribute))

    def hear(self, caption_text: str) -> dict[str, Any]:
        pairs = [part.split(" ", 1) for part in caption_text.removeprefix("draw ").split(", ") if " " in part]
        heard = {name: self.understand(name, value) for name, value in pairs if name in VALUES}
        return {name: value for name, value in heard.items() if value is not None}


class Student:
    """Answers and draws each attribute right with the chance `right[attribute]` (default 1), else at random.

    Its likelihood of a canonical answer follows: share * certainty + (1 - share) * uniform. Draws depend on (seed, item)
    alone. It plays model, engine and tokenizer in one.
    """

    def __init__(
        self, world: AbstractWorld, items: Sequence[ExamItem], right: Mapping[str, float], values: Mapping, seed: int = 0
    ):
        self.world, self.right, self.values, self.seed = world, right, values, seed
        self.items = {item.id: item for item in items}
        self.learned = SimpleNamespace(spec=SimpleNamespace(size_px=16))
        self.head = SimpleNamespace(unit="nats")
        self.error = 0.0  # per image token, where `head.unit` is no likelihood

    def held_out(self, samples: Sequence[Sample]) -> list[SimpleNamespace]:
        found = []
        for sample in samples:
            item = self.items[sample.id]
            names = [item.attribute] if item.kind == "question" else list(item.requested or item.scene)
            nats = sum(-np.log(self._chance_of_truth(name)) for name in names if name in self.values)
            image = nats if self.head.unit == "nats" else 64 * self.error
            found.append(SimpleNamespace(text=Tally(nats, 2), image=Tally(image, 64)))
        return found

    def blind(self, pictures: Sequence[Any]) -> list[float]:
        return [0.5] * len(pictures)

    def fill(self, model: Any, samples: Sequence[Sample], how: Any, batch_size: int = 1) -> list[Sample]:
        return [self._filled(sample) for sample in samples]

    def rebuild(self, pictures: Sequence[Any], size_px: int) -> np.ndarray:
        return np.stack([picture.pixels(size_px) for picture in pictures])

    def _chance_of_truth(self, name: str) -> float:
        share = self.right.get(name, 1.0)
        return min(0.999, share + (1 - share) / len(self.values[name]))

    def _says(self, item: ExamItem, name: str) -> Any:
        draw = rng(self.seed, "student", item.id, name)
        if draw.random() < self.right.get(name, 1.0):
            facts = (item.requested or {}) if item.kind == "edit" else item.scene
            return facts[name] if name in facts else item.sample.segments[-1].content
        return self.values[name][draw.integers(len(self.values[name]))]

    def _filled(self, sample: Sample) -> Sample:
        item = self.items[sample.id]
        if item.kind == "question":
            value = self._says(item, str(item.attribute))
            text = f"{value}%" if item.attribute == "battery" else str(value)
            return replace(sample, segments=tuple(Text(text, learn=True) if s.learn else s for s in sample.segments))
        if item.kind == "caption":
            text = ", ".join(f"{name} {self._says(item, name)}" for name in item.scene)
            return replace(sample, segments=tuple(Text(text, learn=True) if s.learn else s for s in sample.segments))
        scene = PaperScene(tuple(self._says(item, name) for name in VALUES))
        drawn = Image(ArrayPicture(self.world.render(scene, 16), sample.id), learn=True)
        return replace(sample, segments=tuple(drawn if s.learn else s for s in sample.segments))


TWO_FACTS = {"afternoon": ("yes", "no")}
EVERY_VALUE = VALUES | TWO_FACTS
