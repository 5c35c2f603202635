"""Does a skill follow names that were exchanged in the other task's texts? What `evaluate/follows.py` measures, over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bothways.core.config import Config
from bothways.evaluate.scores import read_items, read_scores
from bothways.study.card_arms import swap_of
from bothways.study.compare import over_both
from bothways.study.gather import Gathered

FOLLOWS = "follows"
_OTHER = {"reading": "drawing", "drawing": "reading"}


class Swap(Config):
    """How far a skill follows the exchanged names: 0 as whoever does not know the values apart, 1 always, -1 always the right
    names. `low` to `high`: 95 % over seeds and pictures (one seed: over pictures). `exchanged`, `right`, `other`: shares of
    all answers or drawings. `taught`: the same score of the task whose texts exchange the names, as much as could be carried
    over."""

    arm: str
    attribute: str
    value: float
    low: float | None
    high: float | None
    per_seed: tuple[float, ...]
    exchanged: float
    right: float
    other: float
    num_pictures: int
    taught: float | None


def swap_in(found: Gathered, skill: str) -> Swap | None:
    """Of the study's arm with exchanged names; None where there is none, or it was asked nothing that can tell."""
    arm = swap_of(skill)
    names = [name for name in found.cells.get(arm, {}) if name.startswith(f"{skill}/") and name.endswith(f"/{FOLLOWS}")]
    if not names:
        return None
    [measure], runs = names, found.runs[arm]
    items = [read_items(run)[measure] for run in runs]
    cell, attribute = found.cells[arm][measure], measure.split("/")[1]
    low, high = cell.low, cell.high
    if len(items) > 1:
        _, low, high, _ = over_both(measure, [(one.values, one.pictures) for one in items])
    said = np.sign(np.concatenate([one.values for one in items]))
    taught = found.cells[arm].get(f"{_OTHER[skill]}/{attribute}/{FOLLOWS}")
    return Swap(
        arm=arm,
        attribute=attribute,
        value=cell.value,
        low=low,
        high=high,
        per_seed=tuple(_final(run, measure) for run in runs),
        exchanged=float((said > 0).mean()),
        right=float((said < 0).mean()),
        other=float((said == 0).mean()),
        num_pictures=cell.score.num_pictures,
        taught=None if taught is None else taught.value,
    )


def _final(run: Path, measure: str) -> float:
    return read_scores(run)["final"][measure].value
