"""How soon a skill is there: log2 of the steps after which a run first reaches a level, for skills that come at once.

Where a plateau ends sooner in one seed than in another, the value at the end of a run says only on which side of the plateau it
stopped: seeds fall into two groups, and their mean describes none of them. When a level is reached differs by factors, so it is
compared on a logarithmic scale: 1 is twice as many steps, and as own samples a step are matched, twice as many of these.

A run that never gets there is censored: it counts as if it had got there with its last step, and one that is there at its first
exam as if it had got there just then. So censored runs draw a difference towards 0: "supported" and "refuted" stay honest, and
"no effect" is not said of them (`study/verdict.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bothways.evaluate.statistics import over_seeds, student_quantile
from bothways.study.compare import Difference, SeedDifference, Spread
from bothways.study.exchange import Learning, learning, steps_to
from bothways.study.study import Comparison

UNIT = "log2 steps"


def soonness(treatment: Sequence[Path], control: Sequence[Path], comparison: Comparison) -> Difference | None:
    """Treatment minus control in log2 of the steps to the comparison's level, over seeds; None where the exams during training
    do not hold its measure."""
    curves = [learning(runs, comparison.primary) for runs in (treatment, control)]
    return None if None in curves else sooner(curves[0], curves[1], comparison)


def sooner(treatment: Learning, control: Learning, comparison: Comparison) -> Difference:
    """As `soonness`, of curves whose seeds are in the same order."""
    (one, off), (other, off_too) = (_reached(curve, comparison.reaches) for curve in (treatment, control))
    values = one - other
    found = over_seeds(values.tolist())
    several = len(values) > 1
    half = student_quantile(0.95, len(values) - 1) * found.se if several else math.nan
    return Difference(
        measure=f"{comparison.primary} at {comparison.reaches:g}",
        unit=UNIT,
        treatment=float(one.mean()),
        control=float(other.mean()),
        value=found.value,
        low=found.low if several else None,
        high=found.high if several else None,
        method=f"over {len(values)} paired seeds" if several else "one seed",
        n=1,
        num_pictures=1,
        num_seeds=len(values),
        per_seed=tuple(SeedDifference(value=value, low=None, high=None) for value in values.tolist()),
        higher_is_better=False,
        spread=Spread(
            seed_sd=float(values.std(ddof=1)),
            picture_sd=0.0,
            residual_sd=0.0,
            degrees=len(values) - 1,
            low_90=found.value - half,
            high_90=found.value + half,
            low_over_seeds=found.low,
            high_over_seeds=found.high,
        )
        if several
        else None,
        num_censored=off + off_too,
    )


def _reached(curve: Learning, level: float) -> tuple[np.ndarray, int]:
    """log2 of the step at which each seed is there, and how many are censored."""
    found = [_first(curve.steps, values, level) for values in curve.values.tolist()]
    return np.log2(np.array([step for step, _ in found], float)), sum(censored for _, censored in found)


def _first(steps: Sequence[int], values: Sequence[float], level: float) -> tuple[float, bool]:
    """The step at which a curve reaches the level, and whether that is only a bound."""
    if values[0] >= level:
        return steps[0], True
    step = steps_to(steps, values, level)
    return (steps[-1], True) if math.isnan(step) else (step, False)
