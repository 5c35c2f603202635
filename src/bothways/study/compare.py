"""Paired differences between two arms: the same items, the same seeds, so most of the luck cancels.

One seed: differences item by item, with a bootstrap over pictures. That interval says how far *these two models* differ on
pictures like these; it knows nothing of other seeds. Two seeds or more: an interval over seeds and pictures at once
(`evaluate/crossed.py`), with Student's over the seeds' means beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from bothways.core.config import Config, read_yaml
from bothways.core.errors import ConfigError, DataError
from bothways.evaluate.crossed import crossed
from bothways.evaluate.scores import ItemValues, Score, read_items, read_scores
from bothways.evaluate.statistics import LEVEL, bootstrap, by_cluster, over_seeds, student_p, student_quantile
from bothways.study.plan import flatten


class SeedDifference(Config):
    """One pair of runs. The interval is over pictures."""

    value: float
    low: float | None
    high: float | None


class Spread(Config):
    """Where the spread of a difference over seeds and pictures comes from, as standard deviations: which seed, which picture,
    and what is left; `degrees` of freedom of the whole. `low_90` to `high_90`: the 90 % interval, which decides that there is
    no effect of some size; `low_over_seeds` to `high_over_seeds`: Student's 95 % interval over the seeds' means."""

    seed_sd: float
    picture_sd: float
    residual_sd: float
    degrees: float
    low_90: float
    high_90: float
    low_over_seeds: float
    high_over_seeds: float


class Difference(Config):
    """Treatment minus control on one measure. `low` to `high`: 95 %. `spread`: with two seeds or more."""

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
    spread: Spread | None = None
    num_censored: int = 0  # of both arms' runs, those of which only a bound is known (`reaching.py`)

    @property
    def gain(self) -> float:
        """The difference, positive where the treatment is better."""
        return self.value if self.higher_is_better else -self.value

    @property
    def p_value(self) -> float | None:
        """Two-sided, of no difference, from the t statistic of the interval over seeds and pictures: below 0.05 exactly where
        that leaves 0 out. None without such an interval."""
        if self.spread is None:
            return None
        se = (self.high - self.low) / 2 / student_quantile((1 + LEVEL) / 2, self.spread.degrees)
        if se == 0:
            return float(self.value == 0)  # differences that are all the same
        return student_p(self.value / se, self.spread.degrees)


def compare(treatment: Sequence[Path], control: Sequence[Path], exam: str = "final") -> dict[str, Difference]:
    """Differences on every measure that both arms have; runs at the same place in the lists must have the same seeds.

    Raises: ConfigError when the runs cannot be paired, DataError when they sat different exams, RunError when one is unmarked.
    """
    pairs = [(_load(one, exam), _load(other, exam)) for one, other in _zipped(treatment, control)]
    shared = [name for name in pairs[0][0] if all(name in side for pair in pairs for side in pair)]
    return {name: _difference(name, [(one[name], other[name]) for one, other in pairs]) for name in shared}


def _zipped(treatment: Sequence[Path], control: Sequence[Path]) -> list[tuple[Path, Path]]:
    if len(treatment) != len(control) or not treatment:
        raise ConfigError(f"Found {len(treatment)} and {len(control)} runs; a comparison needs one of each arm a seed.")
    for pair in zip(treatment, control, strict=True):
        _check_seeds(*pair)
    return list(zip(treatment, control, strict=True))


Loaded = tuple[Score, ItemValues]


def _load(run: Path, exam: str) -> dict[str, Loaded]:
    sheets, items = read_scores(run), read_items(run, exam)
    if exam not in sheets:
        raise DataError(f"{run} has no exam `{exam}`; it has {', '.join(sheets)}.")
    return {name: (score, items[name]) for name, score in sheets[exam].scores.items()}


def _difference(name: str, pairs: Sequence[tuple[Loaded, Loaded]]) -> Difference:
    paired = [_paired(name, one[1], other[1]) for one, other in pairs]
    found = [bootstrap(*each) for each in paired]
    one_seed = len(found) == 1
    value, low, high, spread = (found[0].value, found[0].low, found[0].high, None) if one_seed else over_both(name, paired)
    scores = [(one[0], other[0]) for one, other in pairs]
    return Difference(
        measure=name,
        unit=scores[0][0].unit,
        treatment=float(np.mean([one.value for one, _ in scores])),
        control=float(np.mean([other.value for _, other in scores])),
        value=value,
        low=_known(low),
        high=_known(high),
        method="paired bootstrap over pictures, one seed" if one_seed else f"over {len(found)} paired seeds and their pictures",
        n=found[0].num_items,
        num_pictures=found[0].num_clusters,
        num_seeds=len(found),
        per_seed=tuple(SeedDifference(value=f.value, low=_known(f.low), high=_known(f.high)) for f in found),
        higher_is_better=scores[0][0].higher_is_better,
        spread=spread,
    )


def table_of(
    treatment: Sequence[Path], control: Sequence[Path], measure: str, exam: str = "final"
) -> tuple[list[str], Float[np.ndarray, "S P"]]:
    """Pictures, in order of their names, and the differences on one measure by seed and picture. Raises: as `compare`, and
    KeyError where a run lacks the measure."""
    pairs = [(read_items(one, exam)[measure], read_items(other, exam)[measure]) for one, other in _zipped(treatment, control)]
    return _table(measure, [_paired(measure, one, other) for one, other in pairs])


def over_both(name: str, paired: Sequence[tuple[np.ndarray, tuple[str, ...]]]) -> tuple[float, float, float, Spread | None]:
    """Mean of the measure `name` over seeds and pictures, both ends of its 95 % interval, and what they follow from. `paired`:
    a value an item, and the items' pictures, by seed. With one picture the interval is over seeds alone.

    Raises: DataError when the seeds were not asked about the same pictures.
    """
    means = over_seeds([float(values.mean()) for values, _ in paired])
    pictures, table = _table(name, paired)
    if len(pictures) < 2:
        return means.value, means.low, means.high, None
    found = crossed(table)
    (low, high), (low_90, high_90) = found.interval(), found.interval(0.90)
    spread = Spread(
        seed_sd=float(found.seed_sd),
        picture_sd=float(found.picture_sd),
        residual_sd=float(found.residual_sd),
        degrees=float(found.degrees),
        low_90=float(low_90),
        high_90=float(high_90),
        low_over_seeds=means.low,
        high_over_seeds=means.high,
    )
    return means.value, float(low), float(high), spread


def _table(name: str, paired: Sequence[tuple[np.ndarray, tuple[str, ...]]]) -> tuple[list[str], Float[np.ndarray, "S P"]]:
    pictures = sorted(set(paired[0][1]))
    if any(set(others) != set(pictures) for _, others in paired):
        raise DataError(f"The seeds sat different exams, so `{name}` cannot be summed up; examine all on the same pictures.")
    return pictures, np.stack([_by_picture(values, asked, pictures) for values, asked in paired])


def _by_picture(values: np.ndarray, asked: Sequence[str], pictures: Sequence[str]) -> np.ndarray:
    """A value a picture, in that order, with the mean of `values`: of pictures asked about unequally often, each deviation
    from the mean by how often."""
    sums, counts = by_cluster(values, asked)
    order = {picture: at for at, picture in enumerate(dict.fromkeys(asked))}
    at = [order[picture] for picture in pictures]
    mean = values.mean()
    return mean + (sums[at] - mean * counts[at]) / counts.mean()


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
