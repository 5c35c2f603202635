"""Pictures in the report: requests with real, rebuilt and drawn images, edits, and questions answered right and wrong.

Nothing is picked by hand: requests are the first of the exam, edits the first of each kind; questions the first that were
answered right, and the first answered wrong, of each attribute.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.evaluate.answers import Line, read_answers
from bothways.evaluate.mark import readings_of, world_of
from bothways.evaluate.metrics import exact
from bothways.evaluate.paper import picture_of
from bothways.study.gather import Gathered
from bothways.worlds.world import AbstractWorld


@dataclass(frozen=True)
class Drawn:
    """One picture of a request or an edit. `told`: (attribute, value read or "unreadable", right, wrong or unreadable)."""

    title: str
    colour: str
    image: str
    told: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Request:
    text: str
    pictures: tuple[Drawn, ...]


@dataclass(frozen=True)
class Answered:
    """One question. `answers`: (arm, colour, answer, whether it is right)."""

    image: str
    attribute: str
    question: str
    reference: str
    answers: tuple[tuple[str, str, str, bool], ...]


def requests(found: Gathered, colours: dict[str, str], num: int = 8) -> list[Request]:
    """The first `num` requests of the exam: the true picture, the tokenizer's, and one of each drawing arm (its first run)."""
    arms = found.drawing_arms()
    if not arms:
        return []
    world = world_of(found.exams[arms[0]])
    held = {arm: _first_run(found, arm) for arm in arms}
    first = {line.id: line for line in held[arms[0]] if line.kind == "drawing" and line.image}
    told = []
    for line in list(first.values())[:num]:
        rebuilt = next((one for one in held[arms[0]] if one.kind == "reconstruction" and one.picture == line.picture), None)
        pictures = [Drawn("real", "", _png(picture_of(world, line.picture).pixels(found.exams[arms[0]].size_px)), ())]
        pictures += [_drawn(found, arms[0], rebuilt, line, "as the tokenizer has it", "", world)] if rebuilt else []
        for arm in arms:
            same = next((one for one in held[arm] if one.id == line.id and one.image), None)
            pictures += [_drawn(found, arm, same, line, arm, colours[arm], world)] if same else []
        told.append(Request(line.prompt or "", tuple(pictures)))
    return told


def edits(found: Gathered, colours: dict[str, str]) -> list[Request]:
    """The first edit of each kind: the picture given, the one wanted, and what each drawing arm (its first run) made of it."""
    held = {arm: {line.id: line for line in _first_run(found, arm) if line.kind == "edit"} for arm in found.drawing_arms()}
    held = {arm: lines for arm, lines in held.items() if any(line.image for line in lines.values())}
    if not held:
        return []
    first = next(iter(held))
    world, size_px, folder = world_of(found.exams[first]), found.exams[first].size_px, _answers_of(found, first)
    told = []
    for line in _one_of_each(held[first].values()).values():
        pictures = [Drawn("before", "", _png(picture_of(world, line.picture).pixels(size_px)), ())]
        pictures += [Drawn("wanted", "", _file(folder / line.wanted), ())] if line.wanted else []
        same = [(arm, lines[line.id]) for arm, lines in held.items() if line.id in lines]
        pictures += [_edited(found, arm, one, colours[arm], world) for arm, one in same if one.image]
        told.append(Request(line.prompt or "", tuple(pictures)))
    return told


def _edited(found: Gathered, arm: str, line: Line, colour: str, world: AbstractWorld) -> Drawn:
    folder = _answers_of(found, arm)
    marks = world.edit_marks(line.scene, line.requested or {}, readings_of(folder, [line], world)[line.id])
    told = tuple((mark.replace("_", " "), "no", "right" if score else "wrong") for mark, score in marks.items())
    return Drawn(arm, colour, _file(folder / (line.image or "")), told)


def answers(found: Gathered, colours: dict[str, str], right: bool, num: int = 8) -> list[Answered]:
    """Questions that the last reading arm (the treatment) answered right, or wrong: the first of each attribute.

    Where it can be, each about another picture.
    """
    arms = found.reading_arms()
    if not arms:
        return []
    exam = found.exams[arms[-1]]
    world = world_of(exam)
    held = {arm: {line.id: line for line in _first_run(found, arm)} for arm in arms}
    asked = [line for line in held[arms[-1]].values() if line.kind == "question" and line.answer is not None]
    seen = _one_of_each(line for line in asked if _is_right(world, exam, line) == right)
    return [
        Answered(
            image=_png(picture_of(world, line.picture).pixels(exam.size_px)),
            attribute=attribute.replace("_", " "),
            question=line.prompt or "",
            reference=line.reference or "",
            answers=tuple(_said(world, exam, arm, colours[arm], held[arm][line.id]) for arm in arms if line.id in held[arm]),
        )
        for attribute, line in list(seen.items())[:num]
    ]


def _one_of_each(lines: Iterable[Line]) -> dict[str, Line]:
    """Attribute -> its first line about a picture that no other attribute has taken, else its first line."""
    first: dict[str, Line] = {}
    fresh: dict[str, Line] = {}
    taken: set[str] = set()
    for line in lines:
        first.setdefault(str(line.attribute), line)
        if line.attribute not in fresh and line.picture not in taken:
            fresh[str(line.attribute)] = line
            taken.add(line.picture)
    return first | fresh


def _said(world: AbstractWorld, exam: Any, arm: str, colour: str, line: Line) -> tuple[str, str, str, bool]:
    return arm, colour, (line.answer or "").strip() or "(nothing)", _is_right(world, exam, line)


def _is_right(world: AbstractWorld, exam: Any, line: Line) -> bool:
    said, true = (world.understand(str(line.attribute), text or "") for text in (line.answer, line.reference))
    return exact(said, true, exam.scale(str(line.attribute))) == 1.0


def _drawn(found: Gathered, arm: str, line: Line, request: Line, title: str, colour: str, world: AbstractWorld) -> Drawn:
    folder, exam = _answers_of(found, arm), found.exams[arm]
    read = readings_of(folder, [line], world)[line.id]
    told = []
    for attribute, wanted in (request.requested or {}).items():
        if isinstance(wanted, list):
            continue  # a set of objects: the world's marks follow
        value = read.get(attribute)
        state = "unreadable" if value is None else ("right" if exact(value, wanted, exam.scale(attribute)) else "wrong")
        told.append((attribute.replace("_", " "), "?" if value is None else str(value), state))
    for mark, score in world.marks(request.requested or {}, read).items():
        told.append((mark.replace("_", " "), f"{score:.0%}", "right" if score == 1.0 else "wrong"))
    return Drawn(title, colour, _file(folder / (line.image or "")), tuple(told))


def _first_run(found: Gathered, arm: str) -> Sequence[Line]:
    return read_answers(_answers_of(found, arm))[1]


def _answers_of(found: Gathered, arm: str) -> Path:
    return found.runs[arm][0] / "answers/final"


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(pixels).save(held, format="PNG", optimize=True)
    return _data(held.getvalue())


def _file(path) -> str:
    return _data(path.read_bytes())


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
