"""Drawings of sets of objects: the world says what is right, in any order (`AbstractWorld.marks`); here it is measured.

Chance is the best constant picture among the scenes of the exam; the ceiling are the tokenizer's reconstructions of the true
pictures, read by the same reader. Skill is (accuracy - chance) / (ceiling - chance).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from bothways.evaluate.answers import Line
from bothways.evaluate.metrics import LEAST_ROOM, skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured

NUM_CONSTANTS = 50  # scenes of the exam that are tried as the constant picture, the richest first


def objects(paper: Paper, kind: str) -> dict[str, dict[str, Measured]]:
    """Name of a mark -> `KIND/MARK/{accuracy, skill}`; empty for worlds without sets of objects."""
    lines: dict[str, list[Line]] = defaultdict(list)
    scores: dict[str, list[float]] = defaultdict(list)
    for line in paper.drawings(kind):
        for name, value in paper.world.marks(line.requested or {}, paper.readings[line.id]).items():
            lines[name].append(line)
            scores[name].append(value)
    return {name: _measured(paper, kind, name, lines[name], scores[name]) for name in scores}


def _measured(paper: Paper, kind: str, name: str, lines: list[Line], values: list[float]) -> dict[str, Measured]:
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    best, guess = _constant(paper, name, lines)
    ceiling = _ceiling(paper, name, lines)
    top = 1.0 if ceiling is None else ceiling
    found = {
        "accuracy": Measured(
            f"{kind}/{name}/accuracy", "share", ids, pictures, values, chance=best, random_guess=guess, ceiling=ceiling,
            skill=skill(float(np.mean(values)), best, top), share=set(values) <= {0.0, 1.0},
        )
    }  # fmt: skip
    if top - best >= LEAST_ROOM:
        worth = [(value - best) / (top - best) for value in values]
        found["skill"] = Measured(
            f"{kind}/{name}/skill", "skill", ids, pictures, worth, chance=0.0, ceiling=1.0, skill=float(np.mean(worth))
        )
    return found


def _ceiling(paper: Paper, name: str, lines: list[Line]) -> float | None:
    rebuilt = {line.picture: paper.readings[line.id] for line in paper.of_kind("reconstruction")}
    known = [line for line in lines if line.picture in rebuilt]
    found = [paper.world.marks(line.requested or {}, rebuilt[line.picture])[name] for line in known]
    return float(np.mean(found)) if found else None


def _constant(paper: Paper, name: str, lines: list[Line]) -> tuple[float, float]:
    """The best constant picture's mean score, and the mean over all that were tried."""
    scenes = list({line.picture: line.scene for line in lines}.values())
    richest = sorted(scenes, key=lambda scene: -sum(len(value) for value in scene.values() if isinstance(value, list)))
    # Some of every kind: for "nothing too much" the poorest picture is best.
    tried = richest if len(richest) <= NUM_CONSTANTS else [*richest[: NUM_CONSTANTS - 5], *richest[-5:]]
    wanted = [line.requested or {} for line in lines]
    key = json.dumps([tried, wanted], sort_keys=True)
    table = _table(_World(paper.world), key)
    means = [float(np.mean([one[name] for one in row if name in one])) for row in table]
    return max(means), float(np.mean(means))


class _World:
    """A world as part of a key: worlds of one config mark alike."""

    def __init__(self, world: Any):
        self.world, self._digest = world, world.config.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _World) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@lru_cache(maxsize=8)
def _table(world: _World, key: str) -> list[list[Mapping[str, float]]]:
    """Marks of every constant against every request; the marks of one exam share it, and so do the arms that sat it."""
    tried, wanted = json.loads(key)
    return [[world.world.marks(one, scene) for one in wanted] for scene in tried]
