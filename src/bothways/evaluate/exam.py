"""The sheet of an exam: what marking needs to know besides the answers. The items themselves come from `data.worlds.exam`.

Entropies are counted over many more held-out scenes than are asked about, because a scene that is not rendered costs
next to nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from bothways.core.sample import Sample, Text
from bothways.data.worlds import ExamItem
from bothways.evaluate.answers import Exam
from bothways.evaluate.metrics import Scale, entropy, times_of
from bothways.worlds.world import AbstractWorld

NUM_ENTROPY_SCENES = 4096

# Attributes of these names are hands, shares and times in every world of the house; all others are names without order.
SCALES: Mapping[str, Scale] = {
    "hour": Scale(kind="hand", period=12),
    "minute": Scale(kind="hand", period=60),
    "second": Scale(kind="hand", period=60),
    "battery": Scale(kind="share"),
    "time": Scale(kind="time"),
}


def cut(
    items: Iterable[ExamItem],
    num_pictures: int,
    num_drawings: int | None = None,
    num_open_drawings: int = 0,
    num_edits: int = 0,
) -> list[ExamItem]:
    """The items about the first `num_pictures` scenes, of the drawings only those of the first `num_drawings`, of those after
    open requests only those of the first `num_open_drawings`; `num_edits` edits, one a scene and as many of each kind, of the
    first scenes that allow them.

    The exam of a checkpoint is a small cut of the last one, taken with `generate=False`.
    """
    items = list(items)
    order = {picture: number for number, picture in enumerate(dict.fromkeys(item.picture for item in items))}
    drawings = num_pictures if num_drawings is None else num_drawings
    most = {"drawing": drawings, "open_drawing": num_open_drawings, "edit": 0}
    edits = _balanced([item for item in items if item.kind == "edit" and order[item.picture] < num_pictures], num_edits)
    return [item for item in items if item.id in edits or order[item.picture] < most.get(item.kind, num_pictures)]


def _balanced(edits: list[ExamItem], num: int) -> set[str]:
    """Ids of `num` edits (fewer where scenes run out): each scene gives one, of the rarest kind that is not full yet."""
    by_picture: dict[str, list[ExamItem]] = {}
    for edit in edits:
        by_picture.setdefault(edit.picture, []).append(edit)
    common, found = Counter(edit.attribute for edit in edits), Counter()
    most, ids = math.ceil(num / max(1, len(common))), set()
    for some in by_picture.values():
        rarest = min((e for e in some if found[e.attribute] < most), key=lambda e: common[e.attribute], default=None)
        if rarest is not None and len(ids) < num:
            found[rarest.attribute] += 1
            ids.add(rarest.id)
    return ids


def sheet(
    world: AbstractWorld,
    items: Collection[ExamItem],
    *,
    split: str,
    size_px: int,
    how: dict[str, Any],
    image_unit: str = "nats",
    num_entropy_scenes: int = NUM_ENTROPY_SCENES,
) -> Exam:
    """The exam.json of these items: world, scales, levels, entropies of the attributes asked for."""
    asked = tuple(sorted({str(item.attribute) for item in items if item.kind == "question"}))
    names = (*world.attributes, *asked)
    levels = {**world.levels, "two_facts": tuple(sorted({str(item.attribute) for item in items if item.tier == "two_facts"}))}
    return Exam(
        world=world.config.to_dict(),
        split=split,
        size_px=size_px,
        scales={name: scale for name, scale in SCALES.items() if name in names},
        levels={level: members for level, members in levels.items() if members and set(members) <= set(names)},
        entropies=_entropies(world, split, asked, num_entropy_scenes),
        num_entropy_scenes=num_entropy_scenes,
        how=how,
        image_unit=image_unit,
    )


# Arms and checkpoints ask the same of equal worlds, each built anew; scenes are drawn once for all of them.
_KNOWN: dict[tuple[str, str, int, str], float] = {}


def _entropies(world: AbstractWorld, split: str, asked: tuple[str, ...], num_scenes: int) -> dict[str, float]:
    keys = {name: (world.config.digest(), split, num_scenes, name) for name in asked}
    missing = [name for name in asked if keys[name] not in _KNOWN]
    scenes = [world.scene(split, index) for index in range(num_scenes)] if missing else []
    said = [world.answers(scene) for scene in scenes]
    for name in missing:
        # Not every scene of every world can be asked for everything.
        answers = [one[name] for one in said if name in one]
        _KNOWN[keys[name]] = answer_entropy(answers, SCALES.get(name, Scale()))
    return {name: _KNOWN[keys[name]] for name in asked}


def answer_entropy(answers: list[str], scale: Scale) -> float:
    """Nats of the canonical answer. A time has too many values to be counted; its hands are independent, so theirs add up."""
    if scale.kind != "time":
        return entropy(answers)
    return sum(entropy(column) for column in zip(*map(times_of, answers), strict=True))


def text_of(sample: Sample, learned: bool) -> str | None:
    """The text of all given, or of all learned, segments; None when there is none."""
    texts = [s.content for s in sample.segments if isinstance(s, Text) and s.learn == learned and s.content is not None]
    return "\n".join(texts) if texts else None
