"""Means with honest intervals: standard errors clustered by picture, Wilson for shares, paired bootstrap, t over seeds; what is
left of p-values when several questions are asked (Holm).

Several questions are asked about one picture, so answers are not independent; every error here counts pictures
("clusters"), not questions. Source: E. Miller, "Adding Error Bars to Evals", arXiv 2411.00640, sections 2.1 and 3;
Wilson's interval with the effective number of answers: Korn and Graubard, Survey Methodology 24, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from bothways.core.errors import DataError
from bothways.core.randomness import rng

LEVEL = 0.95
NUM_RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean with its clustered standard error and 95 % interval; both are NaN with fewer than two clusters, because nothing
    is known about the spread then."""

    value: float
    se: float
    low: float
    high: float
    num_items: int
    num_clusters: int


def estimate(values: Sequence[float], clusters: Sequence[Hashable], *, share: bool = False) -> Estimate:
    """Mean of `values` with a 95 % interval. `share`: every value is 0 or 1, so the interval is Wilson's and stays in [0, 1].

    Raises: DataError when there are no values or the lengths differ.
    """
    sums, counts = by_cluster(values, clusters)
    value, se = _mean_and_se(sums, counts)
    low, high = _wilson(value, se, counts) if share else _student(value, se, len(sums))
    return Estimate(value, se, low, high, int(counts.sum()), len(sums))


def clustered_se(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Standard error of the mean when values of one cluster go together; NaN with fewer than two clusters."""
    return _mean_and_se(*by_cluster(values, clusters))[1]


def bootstrap(
    values: Sequence[float], clusters: Sequence[Hashable], seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Estimate:
    """Mean of `values` with the percentile interval of whole clusters drawn with replacement."""
    sums, counts = by_cluster(values, clusters)
    value, se = _mean_and_se(sums, counts)
    if len(sums) < 2:
        return Estimate(value, math.nan, math.nan, math.nan, int(counts.sum()), len(sums))
    draws = _resamples(len(sums), num_resamples, seed)
    means = (draws @ sums) / (draws @ counts)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Estimate(value, se, float(low), float(high), int(counts.sum()), len(sums))


def over_seeds(values: Sequence[float]) -> Estimate:
    """Mean over seeds with Student's interval; one value has no spread, so its interval is NaN."""
    return estimate(values, range(len(values)))


def jackknife(statistic: Callable[[list[int]], float], num: int) -> Estimate:
    """A statistic of `num` seeds with Student's interval around it; `statistic` is handed the places of the seeds to use.

    Of a mean it is `over_seeds` exactly; of a smooth function of means it is about right. With one seed the interval is NaN.
    Source: J. W. Tukey, Annals of Mathematical Statistics 29, 1958 (abstract); the statistic of all stays the estimate.
    """
    value = statistic(list(range(num)))
    if num < 2:
        return Estimate(value, math.nan, math.nan, math.nan, num, num)
    without = np.array([statistic([seed for seed in range(num) if seed != left]) for left in range(num)])
    se = math.sqrt((num - 1) / num * ((without - without.mean()) ** 2).sum())
    return Estimate(value, se, *_student(value, se, num), num, num)


def seeds_needed(effect: float, sd: float, power: float = 0.8) -> int:
    """How many paired seeds show a true mean difference of `effect` with this power at the 5 % level, two-sided.

    `sd` is the spread of paired differences over seeds. Student's critical value is used, so small numbers are not
    promised too much. Raises: DataError unless both are positive.
    """
    if effect <= 0 or sd <= 0:
        raise DataError(f"Found effect {effect} and sd {sd}; both must be positive to count seeds.")
    for num in range(2, 10_000):
        critical = student_quantile((1 + LEVEL) / 2, num - 1) + student_quantile(power, num - 1)
        if effect >= critical * sd / math.sqrt(num):
            return num
    return 10_000


def detectable(sd: float, num_seeds: int, power: float = 0.8) -> float:
    """The smallest true mean difference that `num_seeds` paired seeds show with this power; infinite below two seeds."""
    if num_seeds < 2:
        return math.inf
    critical = student_quantile((1 + LEVEL) / 2, num_seeds - 1) + student_quantile(power, num_seeds - 1)
    return critical * sd / math.sqrt(num_seeds)


def student_quantile(probability: float, degrees: float) -> float:
    """Quantile of Student's t with `degrees` degrees of freedom. (scipy.stats would take a second to import.)"""
    return float(special.stdtrit(degrees, probability))


def student_p(t: float, degrees: float) -> float:
    """Chance of a t at least so far from 0, either way, where there is no effect."""
    return float(2 * special.stdtr(degrees, -abs(t)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values of several questions, in their order, made larger so that "one of them at least" errs as seldom as one alone.

    The smallest is multiplied by their number, the next by one less, and so on; none falls below a smaller one's, none
    exceeds 1. Source: S. Holm, Scandinavian Journal of Statistics 6, 1979.
    """
    found, largest = [1.0] * len(p_values), 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[at]))
        found[at] = largest
    return found


@lru_cache(maxsize=4)
def _resamples(num_clusters: int, num_resamples: int, seed: int) -> np.ndarray:
    """How often each cluster occurs in each resample; shared by all measures over equally many pictures."""
    shares = np.full(num_clusters, 1 / num_clusters)
    return rng(seed, "bootstrap", num_clusters).multinomial(num_clusters, shares, size=num_resamples).astype(np.float64)


def by_cluster(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts per cluster, in order of first appearance."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) == 0 or len(array) != len(clusters):
        raise DataError(f"Found {len(array)} values and {len(clusters)} clusters; a mean needs one cluster for each value.")
    index: dict[Hashable, int] = {}
    where = np.array([index.setdefault(cluster, len(index)) for cluster in clusters])
    return np.bincount(where, weights=array), np.bincount(where).astype(np.float64)


def _mean_and_se(sums: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    num, total = len(sums), counts.sum()
    mean = float(sums.sum() / total)
    if num < 2:
        return mean, math.nan
    residuals = sums - mean * counts
    return mean, float(np.sqrt(num / (num - 1) * (residuals**2).sum()) / total)


def _student(value: float, se: float, num: int) -> tuple[float, float]:
    if num < 2:
        return math.nan, math.nan
    reach = student_quantile((1 + LEVEL) / 2, num - 1) * se
    return value - reach, value + reach


def _wilson(share: float, se: float, counts: np.ndarray) -> tuple[float, float]:
    """Wilson's interval with the effective number of answers.

    At 0 and 1, where the spread says nothing, each picture counts once.
    """
    spread, num = share * (1 - share), len(counts)
    effective = min(spread / se**2 * num / (num - 1), counts.sum()) if spread > 0 and se > 0 else float(num)
    z = float(special.ndtri((1 + LEVEL) / 2))
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    reach = z / (1 + z**2 / effective) * math.sqrt(spread / effective + z**2 / (4 * effective**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)
