"""What can be had without looking: the best constant answer, and a blind guess, computed on the scenes of the exam.

Chance is the expected score of the best answer that ignores the picture (or the request). It depends on the measure: for
P1's battery, "50 %" always scores 0.75 under the graded score, where a random guess scores 0.66. The best constant is
chosen with hindsight on the very scenes of the exam, so with few items of many kinds it lies a little above what a blind
model could plan for; that errs on the strict side.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from bothways.core.errors import DataError
from bothways.evaluate.metrics import TIME_PARTS, Scale, f1, graded, times_of


@dataclass(frozen=True)
class Chance:
    """`best`: score of the best constant, `answer`: that constant; `guess`: expected score of one picked blindly among all."""

    best: float
    guess: float
    answer: Any


def candidates(truths: Sequence[Any], scale: Scale) -> list[Any]:
    """All constants worth trying: every mark of a hand, every per cent of a share, every name that occurs.

    Of times, the 50 commonest and the one composed of the best hands; these hold the best under either score.
    """
    if scale.kind == "hand":
        return list(range(scale.period))
    if scale.kind == "share":
        return list(range(101))
    if scale.kind == "time":
        return [*(time for time, _ in Counter(truths).most_common(50)), _best_time(truths)]
    return sorted(set(truths), key=str)


def best_constant(truths: Sequence[Any], score: Callable[[Any, Any], float], among: Sequence[Any]) -> Chance:
    """The constant among `among` with the highest mean of score(constant, truth), and the mean over all of `among`.

    Raises: DataError when either is empty.
    """
    if not truths or not among:
        raise DataError(f"Found {len(truths)} items and {len(among)} possible answers; chance needs at least one of each.")
    means = [float(np.mean([score(constant, truth) for truth in truths])) for constant in among]
    top = int(np.argmax(means))
    return Chance(means[top], float(np.mean(means)), among[top])


def _best_time(truths: Sequence[str]) -> str:
    """The time whose hands are each the best constant; the graded score is a sum over hands, so nothing beats it there."""
    columns = zip(zip(*map(times_of, truths), strict=True), TIME_PARTS, strict=False)
    best = [best_constant(column, partial(graded, scale=scale), range(scale.period)) for column, scale in columns]
    return ":".join(f"{one.answer:02d}" for one in best)


def best_cosine(truths: Sequence[int], scale: Scale) -> Chance:
    """The mean cosine that one fixed direction reaches: the length of the mean direction. A blind guess has 0."""
    angles = np.radians(np.asarray(truths, dtype=np.float64) * scale.degrees_per_mark)
    mean = np.exp(1j * angles).mean()
    return Chance(float(abs(mean)), 0.0, float(np.degrees(np.angle(mean)) % 360))


def best_joint(truths: Sequence[Mapping[str, Any]]) -> Chance:
    """All named attributes right at once: the best constant combination. `truths`: what each item names, and its value."""
    names = sorted({name for truth in truths for name in truth})
    kinds = [sorted({truth[name] for truth in truths if name in truth}, key=str) for name in names]
    combinations = [dict(zip(names, values, strict=True)) for values in itertools.product(*kinds)]
    return best_constant(truths, lambda fixed, truth: float(all(fixed[name] == truth[name] for name in truth)), combinations)


def best_caption(facts: Sequence[Mapping[str, Any]], stated: Sequence[Mapping[str, Any]]) -> Chance:
    """F1 of the best caption written blindly: the commonest value of each attribute, and the best set of attributes to state.

    `facts`: what is true of each picture; `stated`: what each reference caption says. `guess` states everything at random.
    """
    names = sorted({name for said in stated for name in said})
    right, called, kinds = {}, {}, {}
    for name in names:
        values = [fact[name] for fact in facts]
        kinds[name] = len(set(values))
        top = max(sorted(set(values), key=str), key=values.count)
        right[name] = values.count(top)
        called[name] = sum(1 for said in stated if said.get(name) == top)
    asked = sum(len(said) for said in stated)
    best, answer = 0.0, ()
    for size in range(1, len(names) + 1):
        for subset in itertools.combinations(names, size):
            precision = sum(right[name] for name in subset) / (size * len(facts))
            value = f1(precision, sum(called[name] for name in subset) / asked)
            if value > best:
                best, answer = value, subset
    blind = float(np.mean([1 / kinds[name] for name in names])) if names else math.nan
    recall = sum(1 / kinds[name] for said in stated for name in said) / asked if asked else math.nan
    return Chance(best, f1(blind, recall), answer)
