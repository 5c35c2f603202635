"""Editing: does the picture show the change that was asked for, and is all else as it was? The world's reader reads it back,
and the world says what had to change and what had to stay (`AbstractWorld.edit_marks`).

Chance is what the given picture scores when it is handed back unchanged: nothing asked for, everything kept. The ceiling is
what the learned tokenizer's reconstruction of the true edited picture scores, read by the same reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bothways.evaluate.answers import Line, rebuilt_id
from bothways.evaluate.metrics import skill
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured


def measure(paper: Paper) -> list[Measured]:
    """`editing/all/accuracy`, the editing score: asked and kept at once; and apart `editing/all/{asked, kept, ...}`, the
    further names being the world's. The same for each kind of edit, e.g. `editing/weather/accuracy`, and for the world's levels
    all of whose attributes are kinds of edit.
    """
    lines = paper.drawings("edit")
    kinds = sorted({str(line.attribute) for line in lines})
    levels = {level: names for level, names in paper.exam.levels.items() if names and set(names) <= set(kinds)}
    members = {kind: (kind,) for kind in kinds} | levels
    groups = {"all": lines} | {name: [line for line in lines if line.attribute in of] for name, of in members.items()}
    drawn = {line.id: _marks(paper, line, paper.readings[line.id]) for line in lines}
    untouched = {line.id: _marks(paper, line, line.scene) for line in lines}
    rebuilt = {line.id: paper.readings[rebuilt_id(line.id)] for line in lines if rebuilt_id(line.id) in paper.readings}
    best = {line.id: _marks(paper, line, rebuilt[line.id]) for line in lines if line.id in rebuilt}
    return [
        _measured(f"editing/{group}/{name}", [line for line in some if name in drawn[line.id]], name, drawn, untouched, best)
        for group, some in groups.items()
        for name in dict.fromkeys(name for line in some for name in drawn[line.id])
    ]


def _marks(paper: Paper, line: Line, seen: Mapping[str, Any]) -> dict[str, float]:
    marks = paper.world.edit_marks(line.scene, line.requested or {}, seen)
    return {"accuracy": marks["asked"] * marks["kept"]} | marks


def _measured(
    name: str,
    lines: Sequence[Line],
    mark: str,
    drawn: Mapping[str, Mapping[str, float]],
    untouched: Mapping[str, Mapping[str, float]],
    best: Mapping[str, Mapping[str, float]],
) -> Measured:
    ids, pictures = [line.id for line in lines], [line.picture for line in lines]
    values = [drawn[one][mark] for one in ids]
    chance = float(np.mean([untouched[one][mark] for one in ids]))
    tops = [best[one][mark] for one in ids if one in best]
    ceiling = float(np.mean(tops)) if tops else None
    worth = skill(float(np.mean(values)), chance, 1.0 if ceiling is None else ceiling)
    return Measured(name, "share", ids, pictures, values, chance=chance, ceiling=ceiling, skill=worth, share=True)
