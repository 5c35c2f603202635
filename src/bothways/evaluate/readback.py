"""Drawings that are in memory, read by the world's reader: as a `Paper`, so that the exam's own measures score them.

`scored` adds one number a drawing: which share of what was asked for is there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.data.worlds import ExamItem
from bothways.evaluate.answers import Line, rebuilt_id
from bothways.evaluate.drawing import measure
from bothways.evaluate.exam import sheet
from bothways.evaluate.mark import read_once
from bothways.evaluate.metrics import skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured
from bothways.worlds.world import AbstractWorld

WHOLE = ("gate", "all_right")  # all that a request asks for at once; a world has one of them
IN_MEMORY = "in memory"


def read_back(
    world: AbstractWorld, items: Sequence[ExamItem], pictures: Sequence[np.ndarray], rebuilt: Sequence[np.ndarray] = ()
) -> Paper:
    """The paper of drawings, uint8 (P, P, 3) each, of these items (`drawing` or `open_drawing`), one an item.

    `rebuilt`: what the learned tokenizer makes of the items' true pictures; what is read from them is the ceiling.
    """
    lines, readings = [], {}
    for item, drawn in zip(items, pictures, strict=True):
        lines.append(_line(item, item.id, item.kind, requested=item.requested))
        readings[item.id] = read_once(drawn, world)
    for item, made in zip(items, rebuilt, strict=False):
        name = rebuilt_id(item.id)
        lines.append(_line(item, name, "reconstruction"))
        readings[name] = read_once(made, world)
    exam = sheet(world, list(items), split="test", size_px=len(pictures[0]), how={})
    return Paper(exam, tuple(lines), world, readings)


def scored(paper: Paper, kind: str = "drawing") -> dict[str, Measured]:
    """The exam's measures of drawings of that kind by name, and `KIND/asked/accuracy`: for each drawing the share of what its
    request names that is there."""
    found = {one.name: one for one in measure(paper) if one.name.startswith(f"{kind}/")}
    joint = {*paper.exam.levels, "gate", "gate_full", *WHOLE}
    parts = [one for name, one in found.items() if name.endswith("/accuracy") and name.split("/")[1] not in joint]
    return found | {f"{kind}/asked/accuracy": _asked(f"{kind}/asked/accuracy", paper.drawings(kind), parts)}


def whole_of(found: Mapping[str, Measured], kind: str = "drawing") -> Measured | None:
    """Of `scored`: all that a request asks for at once; None where no request names enough."""
    return next((found[name] for name in (f"{kind}/{one}/accuracy" for one in WHOLE) if name in found), None)


def _asked(name: str, lines: Sequence[Line], parts: Sequence[Measured]) -> Measured:
    """The mean over `parts` of each drawing: facts one by one, of sets of objects every mark of the world's. Chance and ceiling
    are the means of those of its parts."""
    own: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for one in parts:
        chance, ceiling = one.chance or 0.0, 1.0 if one.ceiling is None else one.ceiling
        for item, value in zip(one.ids, one.values, strict=True):
            own[item].append((float(value), chance, ceiling))
    lines = [line for line in lines if line.id in own]
    means = np.array([np.mean(own[line.id], axis=0) for line in lines])
    chance, ceiling = means[:, 1:].mean(0).tolist()
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    worth = skill(float(means[:, 0].mean()), chance, ceiling)
    return Measured(name, "share", ids, pictures, means[:, 0].tolist(), chance=chance, ceiling=ceiling, skill=worth)


def _line(item: ExamItem, name: str, kind: Any, **more: Any) -> Line:
    return Line(id=name, kind=kind, picture=item.picture, scene=item.scene, image=IN_MEMORY, **more)
