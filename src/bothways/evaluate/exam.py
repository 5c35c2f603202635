"""What is asked: items made of the world's held-out scenes, and the sheet that says what marking needs to know.

Every question stands alone (one turn), so no answer can help another. Entropies are counted over many more held-out
scenes than are asked about, because a scene that is not rendered costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bothways.core.randomness import rng
from bothways.core.sample import AbstractPicture, Image, Sample, Text
from bothways.evaluate.answers import Exam, Kind
from bothways.evaluate.metrics import Scale, entropy, times_of
from bothways.worlds.world import AbstractWorld, Said, ScenePicture, Split

NUM_ENTROPY_SCENES = 4096

# Attributes of these names are hands, shares and times in every world of the house; all others are names without order.
SCALES: Mapping[str, Scale] = {
    "hour": Scale(kind="hand", period=12),
    "minute": Scale(kind="hand", period=60),
    "second": Scale(kind="hand", period=60),
    "battery": Scale(kind="share"),
    "time": Scale(kind="time"),
}
LEVELS: Mapping[str, tuple[str, ...]] = {
    "glance": ("weather", "weather_corner", "battery_corner", "color"),
    "corners": ("weather_corner", "battery_corner"),
    "hands": ("hour", "minute"),
    "fine": ("second", "battery"),
}


@dataclass(frozen=True)
class Item:
    """One thing to be answered. `sample` holds the reference in its learned segment; `picture` names the scene.

    `truth` is the scene's picture (drawings and reconstructions), `requested` what a drawing has to show.
    """

    id: str
    kind: Kind
    picture: str
    sample: Sample
    scene: dict[str, Any] = field(default_factory=dict)
    attribute: str | None = None
    tier: str | None = None
    requested: dict[str, Any] | None = None
    truth: AbstractPicture | None = None


def questions(world: AbstractWorld, num_pictures: int, *, split: Split = "test", seed: int = 0) -> list[Item]:
    """Every attribute of each of the first `num_pictures` scenes of a split, asked once, each question by itself."""
    items = []
    for picture, said in _said(world, num_pictures, split, seed):
        for ask in said.questions:
            name = f"{picture.key}/{ask.attribute}"
            segments = (Image(picture), Text(ask.question), Text(ask.answer, learn=True))
            sample, facts = Sample(name, segments, f"{world.kind}/vqa"), world.facts(picture.scene)
            items.append(Item(name, "question", picture.key, sample, facts, ask.attribute, ask.tier))
    return items


def captions(world: AbstractWorld, num_pictures: int, *, split: Split = "test", seed: int = 0) -> list[Item]:
    """One caption a picture."""
    items = []
    for picture, said in _said(world, num_pictures, split, seed):
        for number, telling in enumerate(said.captions[:1]):
            name = f"{picture.key}/caption{number}"
            segments = (Image(picture), Text(telling.prompt), Text(telling.text, learn=True))
            sample = Sample(name, segments, f"{world.kind}/caption")
            items.append(Item(name, "caption", picture.key, sample, world.facts(picture.scene)))
    return items


def drawings(world: AbstractWorld, num_pictures: int, *, split: Split = "test", seed: int = 0) -> list[Item]:
    """One request a scene; the exam's requests name all that can be named."""
    items = []
    for picture, said in _said(world, num_pictures, split, seed):
        for number, telling in enumerate(said.requests[:1]):
            name = f"{picture.key}/draw{number}"
            sample = Sample(name, (Text(telling.text), Image(picture, learn=True)), f"{world.kind}/draw")
            facts = world.facts(picture.scene)
            items.append(Item(name, "drawing", picture.key, sample, facts, requested=dict(telling.states), truth=picture))
    return items


def _said(world: AbstractWorld, num_pictures: int, split: Split, seed: int) -> Iterator[tuple[ScenePicture, Said]]:
    for index in range(num_pictures):
        picture = world.picture(split, index)
        yield picture, world.say(picture.scene, "exam", rng(seed, "exam", split, index))


def reconstructions(items: Iterable[Item]) -> list[Item]:
    """For every scene that is drawn, an item that has the tokenizer rebuild its true picture: the ceiling of the drawings."""
    found: dict[str, Item] = {}
    for item in items:
        if item.kind == "drawing" and item.truth is not None and item.picture not in found:
            sample = Sample(f"{item.picture}/rebuilt", (Image(item.truth, learn=True),), "rebuilt")
            found[item.picture] = Item(sample.id, "reconstruction", item.picture, sample, item.scene, truth=item.truth)
    return list(found.values())


def sheet(world: AbstractWorld, items: Iterable[Item], *, split: str, size_px: int, how: dict[str, Any]) -> Exam:
    """The exam.json of these items: world, scales, levels, entropies of the attributes asked for."""
    asked = tuple(sorted({str(item.attribute) for item in items if item.kind == "question"}))
    names = (*world.attributes, *asked)
    nats = dict(zip(asked, _entropies(world, split, asked, NUM_ENTROPY_SCENES), strict=True))
    return Exam(
        world=world.config.to_dict(),
        split=split,
        size_px=size_px,
        scales={name: scale for name, scale in SCALES.items() if name in names},
        levels={level: members for level, members in LEVELS.items() if set(members) <= set(names)},
        entropies=nats,
        num_entropy_scenes=NUM_ENTROPY_SCENES,
        how=how,
    )


@lru_cache(maxsize=16)
def _entropies(world: AbstractWorld, split: str, asked: tuple[str, ...], num_scenes: int) -> tuple[float, ...]:
    scenes = [world.scene(split, index) for index in range(num_scenes)]
    return tuple(answer_entropy([world.answer(scene, name) for scene in scenes], SCALES.get(name, Scale())) for name in asked)


def answer_entropy(answers: list[str], scale: Scale) -> float:
    """Nats of the canonical answer. A time has too many values to be counted; its hands are independent, so theirs add up."""
    if scale.kind != "time":
        return entropy(answers)
    return sum(entropy(column) for column in zip(*map(times_of, answers), strict=True))


def small_exam(items: Iterable[Item], num_pictures: int) -> list[Item]:
    """The items of the first `num_pictures` scenes: the exam of a checkpoint, taken with `generate=False`."""
    items = list(items)
    first = set(list(dict.fromkeys(item.picture for item in items))[:num_pictures])
    return [item for item in items if item.picture in first]


def text_of(sample: Sample, learned: bool) -> str | None:
    """The text of all given, or of all learned, segments; None when there is none."""
    texts = [s.content for s in sample.segments if isinstance(s, Text) and s.learn == learned and s.content is not None]
    return "\n".join(texts) if texts else None
