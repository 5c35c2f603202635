"""Paired differences between two arms: the same items, the same seeds, so most of the luck cancels.

One seed: differences item by item, with a bootstrap over pictures. That interval says how far *these two models* differ on
pictures like these; it knows nothing of other seeds. Two seeds or more: one difference a seed, Student's interval over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.config import Config, read_yaml
from bothways.core.errors import ConfigError, DataError
from bothways.evaluate.scores import ItemValues, Score, read_items, read_scores
from bothways.evaluate.statistics import bootstrap, over_seeds
from bothways.study.plan import flatten


class SeedDifference(Config):
    """One pair of runs. The interval is over pictures."""

    value: float
    low: float | None
    high: float | None


class Difference(Config):
    """Treatment minus control on one measure. `low` to `high`: 95 %."""

    measure: str
    unit: str
    treatment: float  # mean over seeds
    control: float
    value: float
    low: float | None
    high: float | None
    method: str
    n: int  # items a seed
    num_pictures: int
    num_seeds: int
    per_seed: tuple[SeedDifference, ...]
    higher_is_better: bool

    @property
    def gain(self) -> float:
        """The difference, positive where the treatment is better."""
        return self.value if self.higher_is_better else -self.value


def compare(treatment: Sequence[Path], control: Sequence[Path], exam: str = "final") -> dict[str, Difference]:
    """Differences on every measure that both arms have; runs at the same place in the lists must have the same seeds.

    Raises: ConfigError when the runs cannot be paired, DataError when they sat different exams, RunError when one is unmarked.
    """
    if len(treatment) != len(control) or not treatment:
        raise ConfigError(f"Found {len(treatment)} and {len(control)} runs; a comparison needs one of each arm a seed.")
    for pair in zip(treatment, control, strict=True):
        _check_seeds(*pair)
    pairs = [(_load(one, exam), _load(other, exam)) for one, other in zip(treatment, control, strict=True)]
    shared = [name for name in pairs[0][0] if all(name in side for pair in pairs for side in pair)]
    return {name: _difference(name, [(one[name], other[name]) for one, other in pairs]) for name in shared}


Loaded = tuple[Score, ItemValues]


def _load(run: Path, exam: str) -> dict[str, Loaded]:
    sheets, items = read_scores(run), read_items(run, exam)
    if exam not in sheets:
        raise DataError(f"{run} has no exam `{exam}`; it has {', '.join(sheets)}.")
    return {name: (score, items[name]) for name, score in sheets[exam].scores.items()}


def _difference(name: str, pairs: Sequence[tuple[Loaded, Loaded]]) -> Difference:
    found = [bootstrap(*_paired(name, one[1], other[1])) for one, other in pairs]
    one_seed = len(found) == 1
    whole = found[0] if one_seed else over_seeds([each.value for each in found])
    scores = [(one[0], other[0]) for one, other in pairs]
    return Difference(
        measure=name,
        unit=scores[0][0].unit,
        treatment=float(np.mean([one.value for one, _ in scores])),
        control=float(np.mean([other.value for _, other in scores])),
        value=whole.value,
        low=_known(whole.low),
        high=_known(whole.high),
        method="paired bootstrap over pictures, one seed" if one_seed else f"Student's t over {len(found)} paired seeds",
        n=found[0].num_items,
        num_pictures=found[0].num_clusters,
        num_seeds=len(found),
        per_seed=tuple(SeedDifference(value=f.value, low=_known(f.low), high=_known(f.high)) for f in found),
        higher_is_better=scores[0][0].higher_is_better,
    )


def _paired(name: str, one: ItemValues, other: ItemValues) -> tuple[np.ndarray, tuple[str, ...]]:
    """Differences item by item, and their pictures."""
    at = {item: index for index, item in enumerate(other.ids)}
    if set(at) != set(one.ids):
        odd = sorted(set(at) ^ set(one.ids))
        raise DataError(
            f"The two runs sat different exams: {len(odd)} items of `{name}` are in one only, for example {odd[0]}; "
            "examine both with the same world, split and number of pictures."
        )
    order = [at[item] for item in one.ids]
    return one.values - other.values[order], one.pictures


def _check_seeds(one: Path, other: Path) -> None:
    found = [_seeds(run) for run in (one, other)]
    for key in found[0].keys() & found[1].keys():
        if found[0][key] != found[1][key]:
            raise ConfigError(
                f"{one} has {key} {found[0][key]} and {other} has {found[1][key]}; "
                "pair runs of the same seed, in the same order."
            )


def _seeds(run: Path) -> dict[str, Any]:
    """Every key called `seed` in a run's config; empty for a folder without one."""
    path = run / "config.yaml"
    flat = flatten(read_yaml(path)) if path.exists() else {}
    return {key: value for key, value in flat.items() if key.split(".")[-1] == "seed"}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
