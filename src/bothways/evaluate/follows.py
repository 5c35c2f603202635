"""Follows the exchange: where one task calls values by each other's names, which names do answers and drawings keep to?

A world can have one task's data misname some values (`AbstractWorld.misnamed`) and keep the other task's data from naming
them at all. What the other skill then says of those values it can have from the first task alone. An answer or a drawing
counts +1 where it keeps to the names of the task that misnames, -1 where to the right ones, 0 otherwise, and every value
weighs the same: whoever cannot tell the values apart scores 0 exactly in expectation, whatever they prefer to say. 1: the
exchanged names, always. The task with the exchanged names is asked too; what it scores is as much as could be carried over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bothways.evaluate.answers import Line
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured

Seen = tuple[Line, Any, Any]  # an item, the value that is right, the value that was said or drawn


def measure(paper: Paper) -> list[Measured]:
    """`reading/ATTRIBUTE/follows` and `drawing/ATTRIBUTE/follows`, in [-1, 1], of the values that are misnamed; none in a
    world where all names are right."""
    found = []
    for attribute, names in paper.world.misnamed.items():
        for kind, seen in (("reading", _said(paper, attribute)), ("drawing", _drawn(paper, attribute))):
            found += _follows(f"{kind}/{attribute}/follows", names, seen)
    return found


def _said(paper: Paper, attribute: str) -> Iterable[Seen]:
    for line in paper.of_kind("question"):
        if line.attribute == attribute and line.answer is not None:
            truth = paper.world.understand(attribute, line.reference or "")
            yield line, truth, paper.world.understand(attribute, line.answer)


def _drawn(paper: Paper, attribute: str) -> Iterable[Seen]:
    for line in paper.drawings():
        if attribute in (line.requested or {}):
            yield line, line.requested[attribute], paper.read(line, attribute)


def _follows(name: str, names: Mapping[Any, Any], seen: Iterable[Seen]) -> list[Measured]:
    """`names`: a value -> the value by whose name it is called; a drawing asked for by a name is of the value called so."""
    called = names if name.startswith("reading/") else {other: value for value, other in names.items()}
    kept = [one for one in seen if one[1] in called]
    counts = Counter(truth for _, truth, _ in kept)
    if len(counts) < len(called):
        return []  # a value that was never asked about: the scores of blind answers would not cancel
    each = [float(said == called[truth]) - float(said == truth) for _, truth, said in kept]
    values = [value * len(kept) / (len(counts) * counts[truth]) for value, (_, truth, _) in zip(each, kept, strict=True)]
    ids, pictures = [line.id for line, *_ in kept], [line.picture for line, *_ in kept]
    return [Measured(name, "score", ids, pictures, values, chance=0.0, random_guess=0.0, ceiling=1.0)]
