"""Labels saved: to how many labelled pictures, read alone, does reading fewer of them beside drawing come?

Two curves of the final skill of reading over the number of pictures that are read, alone and with drawing. What both reach
with n is asked of the curve of reading alone, straight in log2 of the number between its points: N pictures there, so N - n
were saved. Nothing is told beyond the points: not where reading alone never comes so far, nor where its smallest pool is
better already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from bothways.core.config import Config
from bothways.evaluate.scores import read_scores
from bothways.evaluate.statistics import jackknife
from bothways.study.card_arms import ALONE, UNIFIED, at_labels
from bothways.study.exchange import Rate, steps_to
from bothways.study.gather import Gathered
from bothways.study.plan import Plan

BySeed = Float[np.ndarray, "seeds"]  # final skill


class Saved(Config):
    """At one number of labels: what both arms score, and labels saved, with a 95 % interval over seeds (jackknife)."""

    labels: int
    alone: float
    both: float
    saved: Rate | None
    missing: str  # why nothing is told


class LabelsSaved(Config):
    """`full`: pictures that the arms with all labels read; `alone`, `both`: what they score."""

    measure: str
    full: int
    alone: float
    both: float
    points: tuple[Saved, ...]


def labels_in(found: Gathered, plan: Plan) -> LabelsSaved | None:
    """From a study's arms of fewer labels; None where it has none, or those with all labels are not finished."""
    measures = [c.primary for c in found.study.comparisons if c.treatment.startswith(f"{UNIFIED}-")]
    if not measures or f"reading-{ALONE}" not in found.runs:
        return None
    measure, full = measures[0], _labels(plan, f"reading-{ALONE}")
    numbers = sorted({_labels(plan, c.treatment) for c in found.study.comparisons if c.treatment.startswith(f"{UNIFIED}-")})
    pairs = {num: at_labels(num) for num in numbers} | {full: (f"reading-{ALONE}", UNIFIED)}
    skills = [{num: _skills(found, pair[side], measure) for num, pair in pairs.items()} for side in (0, 1)]
    alone, both = skills
    return LabelsSaved(
        measure=measure,
        full=full,
        alone=float(alone[full].mean()),
        both=float(both[full].mean()),
        points=tuple(saved(alone, both, num, found.study.floor) for num in numbers),
    )


def saved(alone: Mapping[int, BySeed], both: Mapping[int, BySeed], labels: int, floor: float) -> Saved:
    """At one number of labels. `alone`, `both`: labels -> skill by seed; `floor`: skill at which nothing is learned."""
    ends = {"alone": float(alone[labels].mean()), "both": float(both[labels].mean())}
    missing = _missing(alone, ends["both"], floor)
    if missing:
        return Saved(labels=labels, **ends, saved=None, missing=missing)
    numbers = sorted(alone)

    def found(seeds: Sequence[int]) -> float:
        curve = [float(alone[num][list(seeds)].mean()) for num in numbers]
        level = float(both[labels][list(seeds)].mean())
        return 2 ** steps_to([math.log2(num) for num in numbers], curve, level) - labels

    told = jackknife(found, len(both[labels]))
    known = not math.isnan(told.low)
    low, high = (told.low, told.high) if known else (None, None)
    return Saved(labels=labels, **ends, saved=Rate(value=told.value, low=low, high=high), missing="")


def _missing(alone: Mapping[int, BySeed], level: float, floor: float) -> str:
    curve = {num: float(alone[num].mean()) for num in sorted(alone)}
    least, most = min(curve), max(curve)
    if level < floor:
        return "with drawing it does not leave the floor"
    if curve[least] >= level:
        return f"reading alone is as good with {least:,}, the fewest that were tried"
    if max(curve.values()) < level:
        return f"reading alone does not come so far with {most:,}, all there are"
    return ""


def _skills(found: Gathered, arm: str, measure: str) -> BySeed:
    return np.array([read_scores(run)["final"][measure].value for run in found.runs[arm]])


def _labels(plan: Plan, arm: str) -> int:
    """Distinct pictures that an arm reads: of the source that has most."""
    recipe = plan.configs[arm][plan.study.seeds[0]].to_dict()
    taken = {name: one for name, one in recipe["data"]["sources"].items() if plan.samples[name][f"reading-{ALONE}"]}
    pools = {name: one.get("num_pictures", 0) for name, one in taken.items()}
    return max(min(plan.samples[name][arm], pool or math.inf) for name, pool in pools.items())
