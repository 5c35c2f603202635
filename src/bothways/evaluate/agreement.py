"""Agreement of the two readers on what was drawn: does the second one see what the first one scores?

Every drawing that a request asked for is compared fact by fact, of what the request names. The same = both state the same
value, or both state none. Where they differ at most one of them sees what was requested; a first reader that is often the
wrong one makes a model look worse than it draws, and one that is often the right one could be reading what is not there.
The skill of a drawing stays what the first reader sees; nothing here enters it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bothways.evaluate.answers import Exam
from bothways.evaluate.metrics import Scale, exact
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured
from bothways.evaluate.second import shipped
from bothways.worlds.world import AbstractWorld

KIND = "agreement"


@dataclass(frozen=True)
class Pair:
    """One fact that a request names, and what both readers see; None = unreadable, or not there."""

    wanted: Any
    first: Any
    second: Any
    same: bool


def measure(paper: Paper) -> list[Measured]:
    """Of every attribute that drawings were asked for, per fact: `agreement/ATTRIBUTE/same`; `second_accuracy`, what the second
    reader has for accuracy; `first_alone` and `second_alone`, they differ and only that one sees what was requested.

    Empty where nothing was drawn, or no second reader reads this world at this size.
    """
    rows: dict[str, list[tuple[str, str, Pair]]] = defaultdict(list)
    for line in paper.drawings():
        if line.id in paper.second_readings:
            wanted = line.requested or {}
            found = compared(paper.world, wanted, paper.readings[line.id], paper.second_readings[line.id], paper.exam.scales)
            for name, pair in found.items():
                attribute, _, where = name.partition("@")
                rows[attribute].append((f"{line.id}@{where}" if where else line.id, line.picture, pair))
    return [one for attribute, own in rows.items() for one in _of(attribute, own, paper.exam.scale(attribute))]


def why_none(exam: Exam) -> str:
    """Why a run with drawings has no agreement among its scores, in a sentence."""
    from bothways.evaluate.mark import world_of

    reason = shipped.why_none(world_of(exam).config, exam.size_px)
    return reason or "These drawings were marked before there was a second reader; `bothways mark RUN` has it read them."


def compared(
    world: AbstractWorld,
    wanted: Mapping[str, Any],
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    scales: Mapping[str, Scale],
) -> dict[str, Pair]:
    """Claim ("hour", "kind@top left") -> the pair; facts of objects are told apart by the world (`AbstractWorld.claims`)."""
    asked, one, other = (world.claims(stated, wanted) for stated in (wanted, first, second))
    return {name: _pair(value, one.get(name), other.get(name), scales.get(name, Scale())) for name, value in asked.items()}


def _pair(wanted: Any, first: Any, second: Any, scale: Scale) -> Pair:
    same = second is None if first is None else exact(second, first, scale) == 1.0
    return Pair(wanted, first, second, same)


def _of(attribute: str, rows: list[tuple[str, str, Pair]], scale: Scale) -> list[Measured]:
    ids, pictures, pairs = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    first = [exact(pair.first, pair.wanted, scale) for pair in pairs]
    second = [exact(pair.second, pair.wanted, scale) for pair in pairs]
    values = {
        "same": [float(pair.same) for pair in pairs],
        "second_accuracy": second,
        "first_alone": [float(a > b) for a, b in zip(first, second, strict=True)],
        "second_alone": [float(b > a) for a, b in zip(first, second, strict=True)],
    }
    return [Measured(f"{KIND}/{attribute}/{what}", "share", ids, pictures, found, share=True) for what, found in values.items()]
