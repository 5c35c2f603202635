"""Drawing: does the picture show what was asked? The world's reader reads it back; unreadable counts as wrong.

Skill, per attribute: (accuracy - chance) / (ceiling - chance) for names, where the ceiling is the same reader on the
tokenizer's reconstructions of the true pictures and chance the best constant picture; for hands the mean cosine of the
angular error over the ceiling's, because a hand one mark off is nearly right (chance is 0: all directions are equally likely);
for shares P1's graded score in the same formula as names. Without reconstructions in the exam the ceiling is taken as 1.

Requests that leave something open stand apart, as `open_drawing/...`: each is scored only on what it names. A model without
a distribution has to blur the rest, which an average over both kinds would hide.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from bothways.evaluate.answers import Line
from bothways.evaluate.chance import best_constant, best_cosine, best_joint, candidates
from bothways.evaluate.metrics import LEAST_ROOM, cosine, degrees_off, exact, graded, points_off, skill
from bothways.evaluate.objects import objects
from bothways.evaluate.paper import Paper
from bothways.evaluate.reading import joints
from bothways.evaluate.scores import Measured


def measure(paper: Paper) -> list[Measured]:
    """`drawing/ATTRIBUTE/{skill, accuracy, unreadable, cosine, degrees, graded, points}`, `drawing/LEVEL/{skill, accuracy}`.

    Also `drawing/gate/accuracy`: what was requested of the world's gate (the watch's weather and both corners) is all there,
    and `drawing/gate_full/accuracy`: the same over the requests that name all of it; and what `objects.py` measures where a
    request names a set of objects. The same under `open_drawing/`.
    """
    return [one for kind in ("drawing", "open_drawing") for one in _of_kind(paper, kind)]


def _of_kind(paper: Paper, kind: str) -> list[Measured]:
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in paper.drawings(kind):
        for attribute, value in (line.requested or {}).items():
            if not isinstance(value, list):
                groups[attribute].append(line)
    found = {name: _attribute(paper, kind, name, lines) for name, lines in groups.items()}
    found |= objects(paper, kind)
    return (
        [one for group in found.values() for one in group.values()]
        + joints(kind, paper.exam.levels, found)
        + _gates(paper, kind)
    )


def _attribute(paper: Paper, kind: str, attribute: str, lines: list[Line]) -> dict[str, Measured]:
    scale, top = paper.exam.scale(attribute), paper.ceilings.get(attribute)
    truths = [(line.requested or {})[attribute] for line in lines]
    drawn = [paper.read(line, attribute) for line in lines]
    pairs = list(zip(drawn, truths, strict=True))
    among = candidates(truths, scale)

    def measured(what: str, unit: str, values: list[float], **more: Any) -> Measured:
        ids, pictures = [line.id for line in lines], [line.picture for line in lines]
        return Measured(f"{kind}/{attribute}/{what}", unit, ids, pictures, values, **more)

    def against(values: list[float], blind: float, ceiling: float | None) -> dict[str, Any]:
        worth = skill(float(np.mean(values)), blind, 1.0 if ceiling is None else ceiling)
        return {"chance": blind, "ceiling": ceiling, "skill": worth}

    right = [exact(*pair, scale) for pair in pairs]
    blind = best_constant(truths, lambda a, b: exact(a, b, scale), among)
    found = {
        "accuracy": measured(
            "accuracy", "share", right, random_guess=blind.guess, share=True, **against(right, blind.best, top and top.accuracy)
        ),
        "unreadable": measured(
            "unreadable", "share", [float(value is None) for value in drawn], share=True,
            ceiling=top and top.unreadable, higher_is_better=False,
        ),
    }  # fmt: skip
    if scale.kind == "hand":
        cosines = [cosine(*pair, scale) for pair in pairs]
        fixed, ceiling = best_cosine(truths, scale), top.cosine if top else None
        found["cosine"] = measured("cosine", "cosine", cosines, random_guess=0.0, **against(cosines, fixed.best, ceiling))
        found["degrees"] = measured(
            "degrees", "degrees", [degrees_off(*pair, scale) for pair in pairs], higher_is_better=False,
            chance=-best_constant(truths, lambda a, b: -degrees_off(a, b, scale), among).best, random_guess=90.0,
        )  # fmt: skip
        worth = _as_skill(cosines, 0.0, ceiling)
    elif scale.kind == "share":
        part, ceiling = [graded(*pair, scale) for pair in pairs], top.graded if top else None
        fixed = best_constant(truths, lambda a, b: graded(a, b, scale), among)
        found["graded"] = measured("graded", "score", part, random_guess=fixed.guess, **against(part, fixed.best, ceiling))
        found["points"] = measured("points", "points", [points_off(*pair) for pair in pairs], higher_is_better=False)
        worth = _as_skill(part, fixed.best, ceiling)
    else:
        worth = _as_skill(right, blind.best, top.accuracy if top else None)
    if worth is not None:
        found["skill"] = measured("skill", "skill", worth, chance=0.0, ceiling=1.0, skill=float(np.mean(worth)))
    return found


def _as_skill(values: list[float], blind: float, ceiling: float | None) -> list[float] | None:
    """Each value on the scale of skill, so that their mean is the skill; None where there is no room."""
    room = (1.0 if ceiling is None else ceiling) - blind
    return None if room < LEAST_ROOM else [(value - blind) / room for value in values]


def _gates(paper: Paper, kind: str) -> list[Measured]:
    found, gate = [], paper.world.gate
    for name, least in (("gate", 1), ("gate_full", len(gate))) if gate else ():
        lines = [line for line in paper.drawings(kind) if sum(n in (line.requested or {}) for n in gate) >= least]
        if not lines:
            continue
        truths = [{n: v for n, v in (line.requested or {}).items() if n in gate} for line in lines]
        pairs = zip(lines, truths, strict=True)
        values = [float(all(paper.read(line, n) == v for n, v in truth.items())) for line, truth in pairs]
        blind, ceiling = best_joint(truths), _gate_ceiling(paper, lines)
        found.append(
            Measured(
                f"{kind}/{name}/accuracy",
                "share",
                [line.id for line in lines],
                [line.picture for line in lines],
                values,
                chance=blind.best,
                random_guess=blind.guess,
                ceiling=ceiling,
                skill=skill(float(np.mean(values)), blind.best, 1.0 if ceiling is None else ceiling),
                share=True,
            )
        )
    return found


def _gate_ceiling(paper: Paper, drawings: list[Line]) -> float | None:
    """Share of the same scenes' reconstructions that carry what the requests name."""
    rebuilt = {line.picture: line for line in paper.of_kind("reconstruction")}
    gate = paper.world.gate
    known = [(rebuilt[line.picture], line.requested or {}) for line in drawings if line.picture in rebuilt]
    if not known:
        return None
    return float(np.mean([all(paper.read(line, n) == v for n, v in wanted.items() if n in gate) for line, wanted in known]))
