"""What a right answer is worth: exact, graded, in degrees; entropy and skill. Pure functions of values, no files, no model.

Values are what a world's `understand` and `read` return: a word, a whole number, or None where nothing could be read.
None always counts as wrong: score 0, cosine 0, and the error of a hand that points anywhere (90 degrees on average).
Source: the graded score is P1's (1 - circular error / half turn for hands, 1 - |error| for the battery, else exact).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Literal

from bothways.core.config import Config
from bothways.core.errors import DataError

LOST_DEGREES = 90.0
LEAST_ROOM = 0.02


class Scale(Config):
    """How the values of an attribute lie to each other: names without order, marks on a circle, a share in percent, or a
    time such as "07:35:12", which is several hands in one answer."""

    kind: Literal["name", "hand", "share", "time"] = "name"
    period: int = 0  # marks on the circle, hands alone: 12 for an hour, 60 for a minute

    @property
    def degrees_per_mark(self) -> float:
        return 360.0 / self.period


NAMES = Scale()
TIME_PARTS = tuple(Scale(kind="hand", period=period) for period in (12, 60, 60))


def exact(found: Any, truth: Any, scale: Scale = NAMES) -> float:
    """1.0 when the value is the true one (hands: the same mark, so hour 12 is hour 0), else 0.0."""
    if found is None:
        return 0.0
    return float((found - truth) % scale.period == 0 if scale.kind == "hand" else found == truth)


def graded(found: Any, truth: Any, scale: Scale = NAMES) -> float:
    """P1's score in [0, 1]: near misses of hands and shares count in part, names do not."""
    if found is None:
        return 0.0
    if scale.kind == "hand":
        return 1.0 - degrees_off(found, truth, scale) / 180.0
    if scale.kind == "share":
        return max(0.0, 1.0 - abs(found - truth) / 100.0)
    if scale.kind == "time":
        parts = list(zip(times_of(found), times_of(truth), TIME_PARTS, strict=False))
        return sum(graded(*part) for part in parts) / len(parts)
    return exact(found, truth)


def times_of(text: str) -> list[int]:
    """ "07:35:12" -> [7, 35, 12]."""
    return [int(part) for part in text.split(":")]


def degrees_off(found: Any, truth: Any, scale: Scale) -> float:
    """Angle between two hands, in [0, 180]; 90 where nothing was found."""
    if found is None:
        return LOST_DEGREES
    marks = abs(found - truth) % scale.period
    return min(marks, scale.period - marks) * scale.degrees_per_mark


def cosine(found: Any, truth: Any, scale: Scale) -> float:
    """Cosine of the angle between two hands, in [-1, 1]; 0 where nothing was found."""
    return 0.0 if found is None else math.cos(math.radians(degrees_off(found, truth, scale)))


def points_off(found: Any, truth: Any) -> float:
    """Distance of two shares in percentage points; 50 where nothing was found."""
    return 50.0 if found is None else abs(float(found - truth))


def entropy(values: Sequence[Hashable]) -> float:
    """Entropy in nats of the distribution that `values` were drawn from, with the first-order correction for counting.

    Counting alone misses about (kinds - 1) / (2 n), which would make a model that knows the true shares look unskilled.
    Source: G. Miller 1955 (Miller-Madow). Raises: DataError when empty.
    """
    if not values:
        raise DataError("Found no answers; an entropy needs at least one.")
    counts = Counter(values)
    shares = [count / len(values) for count in counts.values()]
    return -sum(share * math.log(share) for share in shares) + (len(counts) - 1) / (2 * len(values))


def skill(value: float, chance: float, ceiling: float, higher_is_better: bool = True) -> float | None:
    """(value - chance) / (ceiling - chance): 0 = ignoring the picture, 1 = the best to be had.

    None where the ceiling does not lie `LEAST_ROOM` beyond chance: then nobody could show skill, and the ratio means nothing.
    """
    room = ceiling - chance if higher_is_better else chance - ceiling
    return None if room < LEAST_ROOM else (value - chance) / (ceiling - chance)


def f1(precision: float, recall: float) -> float:
    """Harmonic mean of the two; 0 when both are 0."""
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
