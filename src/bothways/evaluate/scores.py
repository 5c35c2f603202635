"""`Score`: one measured number with everything needed to judge it; and the sheet of all scores of a run, as JSON.

RUN/scores.json:
    {"format": 1,
     "answers": {"final": {"exam": {...exam.json...}, "scores": [{...Score...}, ...]}, "step-000400": {...}}}
RUN/answers/NAME/items.jsonl, one line a measure, all that paired comparisons need:
    {"measure": "reading/hour/accuracy", "ids": [...], "pictures": [...], "values": [...]}
The value of a score is the plain mean of its `values`; its standard error counts pictures, not values.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.config import Config
from bothways.core.errors import RunError
from bothways.evaluate.statistics import estimate

FORMAT = 1


class Score(Config):
    """One number of one run. `name` is kind/attribute/measure, e.g. `reading/hour/skill`."""

    name: str
    value: float
    unit: str  # share, skill, degrees, points, nats, cosine
    n: int  # answers
    num_pictures: int  # independent clusters of answers
    se: float | None  # standard error, clustered by picture; None with one picture
    low: float | None  # 95 % interval
    high: float | None
    chance: float | None  # the best answer that ignores the picture, on these very items
    random_guess: float | None  # expected score of a blind guess
    ceiling: float | None  # the best that can be had: the reader on the tokenizer's reconstructions, or 1
    skill: float | None  # 0 = ignoring the picture, 1 = the ceiling
    higher_is_better: bool
    items: str  # file with the value of every item, relative to the run folder


@dataclass(frozen=True)
class Measured:
    """A measure over items, before it is summed up. `share`: every value is 0 or 1."""

    name: str
    unit: str
    ids: Sequence[str]
    pictures: Sequence[str]
    values: Sequence[float]
    chance: float | None = None
    random_guess: float | None = None
    ceiling: float | None = None
    skill: float | None = None
    share: bool = False
    higher_is_better: bool = True

    def score(self, items: str) -> Score:
        """The mean with its interval."""
        found = estimate(self.values, self.pictures, share=self.share)
        return Score(
            name=self.name,
            value=found.value,
            unit=self.unit,
            n=found.num_items,
            num_pictures=found.num_clusters,
            se=_known(found.se),
            low=_known(found.low),
            high=_known(found.high),
            chance=self.chance,
            random_guess=self.random_guess,
            ceiling=self.ceiling,
            skill=self.skill,
            higher_is_better=self.higher_is_better,
            items=items,
        )

    def line(self) -> str:
        """The line of items.jsonl."""
        values = [round(float(value), 6) for value in self.values]
        return json.dumps({"measure": self.name, "ids": list(self.ids), "pictures": list(self.pictures), "values": values})


@dataclass(frozen=True)
class ItemValues:
    """The values of one measure, item by item."""

    ids: tuple[str, ...]
    pictures: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Sheet:
    """All scores of one exam by name."""

    exam: dict[str, Any]
    scores: dict[str, Score] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Score:
        return self.scores[name]

    def __contains__(self, name: object) -> bool:
        return name in self.scores

    def get(self, name: str) -> Score | None:
        return self.scores.get(name)


def dump_scores(sheets: dict[str, Sheet]) -> str:
    """The text of scores.json; equal for equal answers."""
    answers = {
        name: {"exam": sheet.exam, "scores": [score.to_dict() for score in sheet.scores.values()]}
        for name, sheet in sorted(sheets.items())
    }
    return json.dumps({"format": FORMAT, "answers": answers}, indent=1) + "\n"


def read_scores(run: Path) -> dict[str, Sheet]:
    """Exam name ("final", "step-000400", ...) -> its scores. Raises: RunError when scores.json is missing or broken."""
    path = run / "scores.json"
    try:
        held = json.loads(path.read_text())
        if held["format"] != FORMAT:
            raise RunError(f"{path} has format {held['format']}; this version reads {FORMAT}: run `bothways mark {run}`.")
        return {
            name: Sheet(one["exam"], {score["name"]: Score.parse(score, where=str(path)) for score in one["scores"]})
            for name, one in held["answers"].items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"Cannot read {path} ({error}); run `bothways mark {run}` to make it from the answers.") from None


def read_items(run: Path, exam: str = "final") -> dict[str, ItemValues]:
    """Measure -> its values by item. Raises: RunError when the file is missing or broken."""
    path = run / "answers" / exam / "items.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return {
            one["measure"]: ItemValues(tuple(one["ids"]), tuple(one["pictures"]), np.array(one["values"], float))
            for one in lines
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"Cannot read {path} ({error}); run `bothways mark {run}` to make it from the answers.") from None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
