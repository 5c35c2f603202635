"""One answered exam as the measures see it: its lines, what the reader saw in its pictures, and the ceilings that follow.

A measure is a function `measure(paper) -> list[Measured]`, one file and one line in the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.core.sample import AbstractPicture
from bothways.evaluate.answers import Exam, Line
from bothways.evaluate.metrics import cosine, exact, graded
from bothways.worlds.world import AbstractWorld


@dataclass(frozen=True)
class Ceiling:
    """What the reader gets right of one attribute on the tokenizer's reconstructions of the true pictures."""

    accuracy: float
    graded: float
    cosine: float | None  # of hands
    unreadable: float
    n: int


@dataclass(frozen=True)
class Paper:
    """`readings`: item id -> attribute -> value read from its picture, None where unreadable. `second_readings`: the same by
    the second reader, of drawings alone, and empty where none reads this world at this size."""

    exam: Exam
    lines: tuple[Line, ...]
    world: AbstractWorld
    readings: Mapping[str, Mapping[str, Any]]
    second_readings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Line]:
        return [line for line in self.lines if line.kind == kind]

    def drawings(self, kind: str = "drawing") -> list[Line]:
        """Drawings that were made; a checkpoint's exam asks for their likelihood alone. `kind`: or `open_drawing`."""
        return [line for line in self.of_kind(kind) if line.image is not None]

    @cached_property
    def ceilings(self) -> dict[str, Ceiling]:
        """Attribute -> ceiling; empty when the exam holds no reconstructions."""
        lines = self.of_kind("reconstruction")
        names = self.world.attributes if lines else ()
        return {name: found for name in names if (found := self._ceiling(name, lines)) is not None}

    def read(self, line: Line, attribute: str) -> Any:
        """What the reader saw; None where unreadable."""
        return self.readings[line.id].get(attribute)

    def _ceiling(self, attribute: str, lines: list[Line]) -> Ceiling | None:
        scale = self.exam.scale(attribute)
        pairs = [(self.read(line, attribute), line.scene.get(attribute)) for line in lines]
        pairs = [(found, truth) for found, truth in pairs if truth is not None]
        if not pairs:
            return None
        return Ceiling(
            accuracy=float(np.mean([exact(found, truth, scale) for found, truth in pairs])),
            graded=float(np.mean([graded(found, truth, scale) for found, truth in pairs])),
            cosine=float(np.mean([cosine(*pair, scale) for pair in pairs])) if scale.kind == "hand" else None,
            unreadable=float(np.mean([found is None for found, _ in pairs])),
            n=len(pairs),
        )


def picture_of(world: AbstractWorld, key: str) -> AbstractPicture:
    """The picture that a line names. Raises: DataError when this world has no such picture."""
    *_, split, index = key.split("/")
    picture = world.picture(split, int(index)) if index.isdigit() else None
    if picture is None or picture.key != key:
        raise DataError(f"The picture {key} is not one of this {world.kind} world; answers and exam.json do not fit.")
    return picture
