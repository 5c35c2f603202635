"""Reading: questions about pictures. Per attribute: exact accuracy, P1's graded score, degrees, well-formed share, skill.

Skill of reading = 1 - NLL / entropy of the canonical answer, teacher-forced, on held-out scenes: 0 for a model that knows
how often each answer occurs and nothing of the picture, 1 for one that is sure and right. Three things to keep in mind:
the NLL covers the whole answer with its end of turn, so a model that does not know the format yet lies below 0; a wrong
answer given with confidence lies below 0 too; and the entropy is marginal, so knowledge taken from the question's wording
rather than the picture would count as skill (the world's questions hold none).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.evaluate.answers import Line
from bothways.evaluate.chance import best_constant, candidates
from bothways.evaluate.metrics import degrees_off, entropy, exact, graded, points_off, skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured


def measure(paper: Paper) -> list[Measured]:
    """`reading/ATTRIBUTE/{skill, accuracy, graded, degrees, points, well_formed}` and `reading/LEVEL/{skill, accuracy}`."""
    groups: dict[str, list[Line]] = defaultdict(list)
    for line in paper.of_kind("question"):
        groups[str(line.attribute)].append(line)
    found = {name: _attribute(paper, name, lines) for name, lines in groups.items()}
    return [one for group in found.values() for one in group.values()] + joints("reading", paper.exam.levels, found)


def joints(kind: str, levels: Mapping[str, Sequence[str]], found: Mapping[str, Mapping[str, Measured]]) -> list[Measured]:
    """`KIND/LEVEL/skill` and `KIND/LEVEL/accuracy` of every level all of whose attributes were measured."""
    joined = []
    for level, names in levels.items():
        for what in ("skill", "accuracy"):
            parts = [found[name][what] for name in names if what in found.get(name, {})]
            one = joint(f"{kind}/{level}/{what}", parts, len(names))
            joined += [one] if one else []
    return joined


def joint(name: str, parts: Sequence[Measured], expected: int) -> Measured | None:
    """The unweighted mean over attributes as one measure; None unless all `expected` parts are there.

    Every value is scaled so that the plain mean over items is the mean of the parts' means, which lets one clustered
    standard error cover all of them (questions about one picture stay together).
    """
    if len(parts) != expected or not parts:
        return None
    total = sum(len(part.values) for part in parts)
    values = np.concatenate([np.asarray(part.values) * total / (len(parts) * len(part.values)) for part in parts])
    return Measured(
        name=name,
        unit=parts[0].unit,
        # One drawing counts under several attributes, so its id alone would not name the item.
        ids=[f"{one}#{part.name.split('/')[1]}" for part in parts for one in part.ids],
        pictures=[one for part in parts for one in part.pictures],
        values=values,
        chance=_mean([part.chance for part in parts]),
        random_guess=_mean([part.random_guess for part in parts]),
        ceiling=_mean([part.ceiling for part in parts]),
        skill=_mean([part.skill for part in parts]),
        higher_is_better=parts[0].higher_is_better,
    )


def _attribute(paper: Paper, attribute: str, lines: list[Line]) -> dict[str, Measured]:
    scale = paper.exam.scale(attribute)
    truths = [_truth(paper, attribute, line) for line in lines]
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    top = paper.ceilings.get(attribute)

    def scored(what: str, unit: str, score: Callable, ceiling: float | None, better: bool = True) -> Measured:
        values = [score(value, truth) for value, truth in zip(said, truths, strict=True)]
        among = candidates(truths, scale)
        blind = best_constant(truths, score if better else lambda a, b: -score(a, b), among)
        sign = 1.0 if better else -1.0
        return Measured(
            name=f"reading/{attribute}/{what}",
            unit=unit,
            ids=ids,
            pictures=pictures,
            values=values,
            chance=sign * blind.best,
            random_guess=sign * blind.guess,
            ceiling=ceiling,
            skill=skill(float(np.mean(values)), sign * blind.best, 1.0 if ceiling is None else ceiling, better),
            share=unit == "share" and what == "accuracy",
            higher_is_better=better,
        )

    found = _skill(paper, attribute, lines)
    if any(line.answer is None for line in lines):
        return found
    said = [paper.world.understand(attribute, line.answer or "") for line in lines]
    found["accuracy"] = scored("accuracy", "share", lambda a, b: exact(a, b, scale), top and top.accuracy)
    found["graded"] = scored("graded", "score", lambda a, b: graded(a, b, scale), top and top.graded)
    if scale.kind == "hand":
        found["degrees"] = scored("degrees", "degrees", lambda a, b: degrees_off(a, b, scale), 0.0, better=False)
    if scale.kind == "share":
        found["points"] = scored("points", "points", points_off, 0.0, better=False)
    well_formed = [float(value is not None) for value in said]
    found["well_formed"] = Measured(f"reading/{attribute}/well_formed", "share", ids, pictures, well_formed, share=True)
    return found


def _skill(paper: Paper, attribute: str, lines: list[Line]) -> dict[str, Measured]:
    lines = [line for line in lines if line.nll is not None]
    if not lines:
        return {}
    nats = paper.exam.entropies.get(attribute) or entropy([str(line.reference) for line in lines])
    if nats <= 0:
        return {}  # one possible answer: there is nothing to know
    values = [1.0 - (line.nll or 0.0) / nats for line in lines]
    mean = float(np.mean(values))
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    name = f"reading/{attribute}/skill"
    return {"skill": Measured(name, "skill", ids, pictures, values, chance=0.0, random_guess=None, ceiling=1.0, skill=mean)}


def _truth(paper: Paper, attribute: str, line: Line) -> Any:
    value = paper.world.understand(attribute, line.reference or "")
    if value is None:
        raise DataError(
            f"The canonical answer `{line.reference}` of item {line.id} states no {attribute}; "
            "the exam and the world do not belong together."
        )
    return value


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and not math.isnan(value)]
    return sum(known) / len(known) if len(known) == len(values) else None
