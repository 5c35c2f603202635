"""Exchange rates: how many samples of its own a skill is spared by one sample of the other task, from learning curves.

A skill alone reaches a level after N own samples, the arm that does both after n of them and m of the other task: a sample of
the other task was worth (N - n) / m. Both curves are asked at the lower of the levels that they end at, which is the one level
that neither has to be prolonged to. Below 0 the other task cost own samples.

Learning rates fall over a run, so in its midst a model is worse than one whose run was made to end there. The arm that is
ahead is the one that is asked in its midst, so rates lie nearer to 0 than those of runs of several lengths.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from bothways.core.config import Config
from bothways.evaluate.scores import read_scores
from bothways.evaluate.statistics import jackknife
from bothways.study.exams import exams_by_step, steps_of


class Rate(Config):
    """Own samples that a sample of the other task was worth, with a 95 % interval over seeds (jackknife); null where seeds are
    too few, or curves without one of them do not tell."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Learning:
    """One arm's curve by seed; `values` grow as the model gets better."""

    steps: tuple[int, ...]
    values: Float[np.ndarray, "seeds steps"]

    def of(self, seeds: Sequence[int]) -> list[float]:
        """The mean curve of these seeds, by their places."""
        return self.values[list(seeds)].mean(0).tolist()

    @property
    def mean(self) -> list[float]:
        """The mean curve of all seeds."""
        return self.of(range(len(self.values)))


def learning(runs: Sequence[Path], measure: str) -> Learning | None:
    """The curve of a measure over the exams of an arm's runs; None with fewer than two points."""
    sheets = [read_scores(run) for run in runs]
    exams = exams_by_step(sheets, steps_of(runs[0]))
    held = {step: [one[exam].get(measure) for one in sheets] for step, exam in exams.items()}
    held = {step: scores for step, scores in held.items() if None not in scores}
    if len(held) < 2:
        return None
    sign = 1 if next(iter(held.values()))[0].higher_is_better else -1
    return Learning(tuple(held), np.array([[sign * score.value for score in scores] for scores in held.values()]).T)


def steps_to(steps: Sequence[int], values: Sequence[float], level: float) -> float:
    """Where a curve first reaches a level, straight lines between its points; NaN where it never does, or has it already at
    its first point."""
    for at in range(1, len(steps)):
        before, after = values[at - 1], values[at]
        if before >= level:
            return math.nan
        if after >= level:
            return steps[at - 1] + (steps[at] - steps[at - 1]) * (level - before) / (after - before)
    return math.nan


def worth(alone: Learning, both: Learning, own_per_other: float, seeds: Sequence[int]) -> float:
    """Own samples that a sample of the other task was worth, over the mean curves of these seeds; NaN where they do not tell.

    `own_per_other`: own samples that `both` takes for one of the other task.
    """
    one, other = alone.of(seeds), both.of(seeds)
    level = min(one[-1], other[-1])
    long, short = steps_to(alone.steps, one, level), steps_to(both.steps, other, level)
    return own_per_other * (long - short) / short


def untold(curves: Mapping[str, Learning], floor: float | None = None) -> str:
    """Why two curves, by their arms, do not tell a rate; empty where they do. `floor`: skill below which nothing is learned, so
    that what is reached there is no level; None: the measure has none."""
    ends = {arm: curve.mean[-1] for arm, curve in curves.items()}
    low = [arm for arm, end in ends.items() if floor is not None and end < floor]
    if low:
        known = "neither curve leaves" if len(low) > 1 else f"`{low[0]}` does not leave"
        return f"{known} the floor, so there is no level to meet at"
    early = [arm for arm, curve in curves.items() if curve.mean[0] >= min(ends.values())]
    return f"`{early[0]}` was there before its first exam" if early else ""


def rate(alone: Learning, both: Learning, own_per_other: float, less: Learning | None = None) -> Rate | None:
    """The exchange rate of `both`, where `less` is given beyond that of this arm, which took as many samples; None where the
    curves do not tell."""

    def found(seeds: list[int]) -> float:
        value = worth(alone, both, own_per_other, seeds)
        return value if less is None else value - worth(alone, less, own_per_other, seeds)

    told = jackknife(found, len(alone.values))
    if math.isnan(told.value):
        return None
    known = not math.isnan(told.low)
    return Rate(value=told.value, low=told.low if known else None, high=told.high if known else None)
