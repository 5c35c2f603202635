"""Does a gain follow the dial? Its change from the first place to the last along a straight line, with an interval.

The line is the least-squares one through the gains of the comparisons, seed by seed and picture by picture: a weighted sum of
the tables of differences, whose mean is judged as every difference is (`evaluate/crossed.py`). So seeds and pictures that are
the same at all places cancel, and a change counts where it reaches the smallest effect that matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from bothways.core.config import Config
from bothways.core.errors import DataError
from bothways.evaluate.crossed import Crossed, crossed
from bothways.study.claim import TRENDS, Claim
from bothways.study.compare import Difference, table_of
from bothways.study.study import Study
from bothways.study.verdict import Label, decide


class Trend(Config):
    """`change`: of the gain, between the first place and the last; `low` to `high`: 95 %. `label` is that of the claim's
    direction: supported, or something else."""

    dial: str
    measure: str
    first: float
    last: float
    change: float
    low: float
    high: float
    p_value: float  # two-sided
    label: Label


def trends_of(
    study: Study, runs: Mapping[str, Sequence[Path]], differences: Mapping[str, Mapping[str, Difference]]
) -> dict[str, Trend]:
    """Claim -> its trend. Left out are claims whose measure is missing somewhere, and all with fewer than two seeds or
    pictures. Raises: DataError when comparisons sat different exams."""
    found = {}
    for claim in study.claims:
        if claim.kind in TRENDS and study.dial.at:
            trend = _trend(study, claim, runs, differences)
            found |= {} if trend is None else {claim.name: trend}
    return found


def along(places: Sequence[float], tables: Sequence[Float[np.ndarray, "S P"]]) -> Crossed:
    """The change between the smallest place and the largest of the least-squares line through tables of gains, with its
    spread over seeds and pictures. Raises: DataError as `crossed`."""
    x = np.asarray(places, float)
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum() * np.ptp(x)
    return crossed(np.tensordot(weights, np.stack(tables), 1))


def _trend(
    study: Study, claim: Claim, runs: Mapping[str, Sequence[Path]], differences: Mapping[str, Mapping[str, Difference]]
) -> Trend | None:
    some = [comparison for comparison in study.comparisons if comparison.name in claim.over]
    measure, dial = some[0].primary, study.dial
    seen = [differences[one.name].get(measure) for one in some]
    if any(one is None or min(one.num_seeds, one.num_pictures) < 2 for one in seen):
        return None
    sign = 1.0 if seen[0].higher_is_better else -1.0
    pictures, tables = zip(*(table_of(runs[one.treatment], runs[one.control], measure) for one in some), strict=True)
    if any(asked != pictures[0] for asked in pictures):
        raise DataError(f"The settings of claim `{claim.name}` sat different exams; examine all on the same pictures.")
    at = [dial.at[one.name] for one in some]
    found = along([dial.scaled(place) for place in at], [sign * table for table in tables])
    (low, high), near = found.interval(), found.interval(0.90)
    value = float(found.value)
    turned = 1.0 if claim.kind == "rises" else -1.0
    ends = [tuple(sorted((turned * float(one), turned * float(other)))) for one, other in ((low, high), near)]
    return Trend(
        dial=dial.name,
        measure=measure,
        first=min(at),
        last=max(at),
        change=value,
        low=float(low),
        high=float(high),
        p_value=float(found.p_value),
        label=decide(turned * value, *ends, max(one.minimum_effect for one in some)),
    )
