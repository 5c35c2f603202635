"""`mark`: scores from files alone. No model is loaded: answers.jsonl, the drawn PNGs and the world's reader suffice. Where a
second reader ships for the world and the size, drawings are read by it too (`agreement.py`)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.disk import write_atomic
from bothways.core.errors import DataError
from bothways.evaluate import MEASURES
from bothways.evaluate.answers import Exam, Line, exams_of, read_answers, read_png
from bothways.evaluate.paper import Paper
from bothways.evaluate.scores import Measured, Sheet, dump_scores
from bothways.evaluate.second.shipped import why_none
from bothways.worlds import WORLDS
from bothways.worlds.world import AbstractWorld

# The three arms of a study share their reconstructions, and a run is marked more than once: each picture is read once.
_SEEN: dict[tuple[str, str], dict[str, Any]] = {}
_SEEN_BY_SECOND: dict[tuple[str, str], dict[str, Any]] = {}


@dataclass(frozen=True)
class Marked:
    """`sheets`: exam name -> scores. `read_s`: seconds that the readers took for pictures they had not seen yet."""

    sheets: dict[str, Sheet]
    read_s: float


def mark(run: Path, world: AbstractWorld | None = None) -> Marked:
    """Marks every exam that the run has answered and writes RUN/scores.json and answers/*/items.jsonl.

    `world` overrides the one that exam.json names. Raises: RunError when there are no answers or a file is broken,
    DataError when exam and world do not belong together.
    """
    sheets, read_s = {}, 0.0
    for name in exams_of(run):
        folder = run / "answers" / name
        exam, lines = read_answers(folder)
        paper, seconds = _paper(folder, exam, lines, world or world_of(exam))
        measured = [one for kind in MEASURES for one in MEASURES.load(kind)(paper)]
        write_atomic(folder / "items.jsonl", "".join(one.line() + "\n" for one in measured))
        sheets[name] = Sheet(exam.to_dict(), _scores(measured, f"answers/{name}/items.jsonl"))
        read_s += seconds
    write_atomic(run / "scores.json", dump_scores(sheets))
    return Marked(sheets, read_s)


def world_of(exam: Exam) -> AbstractWorld:
    """The world that an exam was set in. Raises: DataError when its config names none."""
    if "kind" not in exam.world:
        raise DataError(f"exam.json names no world (its config has the keys {sorted(exam.world)}); expected a `kind`.")
    return WORLDS.load(exam.world["kind"]).parse(exam.world, where="exam.world").build()


def _paper(folder: Path, exam: Exam, lines: list[Line], world: AbstractWorld) -> tuple[Paper, float]:
    began = time.perf_counter()
    readings = readings_of(folder, lines, world)
    second = second_readings_of(folder, [line for line in lines if line.kind == "drawing"], world, exam.size_px)
    return Paper(exam, tuple(lines), world, readings, second), time.perf_counter() - began


def readings_of(folder: Path, lines: Sequence[Line], world: AbstractWorld) -> dict[str, Mapping[str, Any]]:
    """Item id -> attribute -> value (None: unreadable), of the lines that have a picture in `folder`."""
    return {line.id: read_once(read_png(folder / line.image), world) for line in lines if line.image}


def read_once(pixels: np.ndarray, world: AbstractWorld) -> Mapping[str, Any]:
    """What the world's reader sees in uint8 (P, P, 3), from memory where it has seen these pixels before."""
    key = _key(pixels, world)
    if key not in _SEEN:
        _SEEN[key] = world.read(pixels).to_json()
    return _SEEN[key]


def second_readings_of(folder: Path, lines: Sequence[Line], world: AbstractWorld, size_px: int) -> dict[str, Mapping[str, Any]]:
    """As `readings_of`, by the second reader; empty where none ships for pictures of that size of the world."""
    pictures = {line.id: read_png(folder / line.image) for line in lines if line.image}
    if not pictures or why_none(world.config, size_px) is not None:
        return {}
    keys = {name: _key(pixels, world) for name, pixels in pictures.items()}
    fresh = {keys[name]: pixels for name, pixels in pictures.items() if keys[name] not in _SEEN_BY_SECOND}
    if fresh:
        from bothways.evaluate.second.reader import second_reader  # loads torch, which marking needs for nothing else

        found = second_reader(world.config, size_px).read(list(fresh.values()))
        _SEEN_BY_SECOND.update({key: one.to_json() for key, one in zip(fresh, found, strict=True)})
    return {name: _SEEN_BY_SECOND[key] for name, key in keys.items()}


def _key(pixels: np.ndarray, world: AbstractWorld) -> tuple[str, str]:
    """Equal for equal pixels, read in equal worlds."""
    return world.config.digest(), hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def _scores(measured: list[Measured], items: str) -> dict[str, Any]:
    return {one.name: one.score(items) for one in measured}
