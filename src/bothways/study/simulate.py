"""The study engine on studies whose truth is known: how often its intervals cover, and how often its verdicts are false.

A simulated study is a table of differences, seeds x pictures, drawn as `effect + seed + picture + residual`. It is judged by
the code that judges real ones: `crossed` gives the interval, `decide` the verdict. Kinds of truth:

    seeds     which seed was drawn matters most, as when one run finds the hands and another does not
    pictures  which pictures were asked matters most, as in a short exam
    bimodal   in each arm a run learns the attribute or does not: the difference is -1, 0 or +1 times a jump

Beside the deciding interval stand Student's over the seeds' means and the hierarchical bootstrap (seeds drawn anew, then
pictures), which decides nothing: with few seeds it is too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import special

from bothways.core.randomness import rng
from bothways.evaluate.crossed import LEVEL, Crossed, crossed
from bothways.study.verdict import decide

NUM_STUDIES = 2000
NUM_SEEDS = (5, 8, 12)
NUM_PICTURES = 200
LEAST = 0.05  # smallest effect that matters
_AT_ONCE = 100
_RESAMPLES = 200


@dataclass(frozen=True)
class Truth:
    """How differences come about: `seed_sd`, `picture_sd` and `residual_sd` are standard deviations. `learns`: of bimodal runs,
    the share of those that learn, in both arms; the jump is such that the difference has `seed_sd`."""

    name: str
    seed_sd: float
    picture_sd: float
    residual_sd: float
    learns: float | None = None

    def draw(self, effect: float, shape: tuple[int, int, int], draws: np.random.Generator) -> Float[np.ndarray, "studies S P"]:
        """Differences whose mean over all that could be drawn is `effect`."""
        studies, seeds, pictures = shape
        of_seed = self.seed_sd * self._of_seed((studies, seeds, 1), draws)
        of_picture = self.picture_sd * draws.standard_normal((studies, 1, pictures))
        return effect + of_seed + of_picture + self.residual_sd * draws.standard_normal(shape)

    def _of_seed(self, shape: tuple[int, ...], draws: np.random.Generator) -> Float[np.ndarray, "..."]:
        if self.learns is None:
            return draws.standard_normal(shape)
        treatment, control = (draws.random((2, *shape)) < self.learns).astype(float)
        return (treatment - control) / math.sqrt(2 * self.learns * (1 - self.learns))

    def se(self, num_seeds: int, num_pictures: int) -> float:
        """True standard error of the mean of a study."""
        parts = self.seed_sd**2 / num_seeds, self.picture_sd**2 / num_pictures
        return math.sqrt(sum(parts) + self.residual_sd**2 / (num_seeds * num_pictures))


TRUTHS = (
    Truth("seeds", 0.10, 0.10, 0.3),
    Truth("pictures", 0.01, 0.4, 0.4),
    Truth("bimodal", 0.12, 0.15, 0.4, learns=0.7),
)


@dataclass(frozen=True)
class Row:
    """One truth at one number of seeds. Shares of the studies: those whose interval holds the truth (`covers`; `student`, of
    the interval over seeds alone; `bootstrap`, of the hierarchical one), those without an effect that are called supported
    (`false_support`), those with `effect` that are (`power`), and what the plan had promised of that."""

    truth: str
    num_seeds: int
    covers: float
    student: float
    bootstrap: float
    false_support: float
    effect: float
    power: float
    promised: float


def simulate(
    num_studies: int = NUM_STUDIES,
    truths: tuple[Truth, ...] = TRUTHS,
    num_seeds: tuple[int, ...] = NUM_SEEDS,
    seed: int = 0,
    progress: Callable[[], None] = lambda: None,
) -> list[Row]:
    """One row for each truth and number of seeds; `progress` is called after each."""
    rows = []
    for truth in truths:
        for seeds in num_seeds:
            rows.append(_row(truth, seeds, num_studies, seed))
            progress()
    return rows


def power(effect: float, se: float, degrees: float, least: float = LEAST) -> float:
    """Share of studies called supported when the true effect is `effect`, the mean's true standard error `se` and it is
    estimated with so many degrees of freedom: the mean must reach both `least` and the quantile times its estimated error.

    The estimate of a normal mean and that of its error are independent; the latter is averaged over the chi-square's quantiles.
    """
    shares = (np.arange(500) + 0.5) / 500
    estimated = se * np.sqrt(special.chdtri(degrees, 1 - shares) / degrees)
    needed = np.maximum(least, special.stdtrit(degrees, (1 + LEVEL) / 2) * estimated)
    return float(special.ndtr((effect - needed) / se).mean())


def _row(truth: Truth, num_seeds: int, num_studies: int, seed: int) -> Row:
    effect = _noticeable(truth, num_seeds)
    held: dict[str, list[np.ndarray]] = {"covers": [], "student": [], "bootstrap": [], "null": [], "effect": []}
    for start in range(0, num_studies, _AT_ONCE):
        draws = rng(seed, "simulate", truth.name, num_seeds, start)
        shape = (min(_AT_ONCE, num_studies - start), num_seeds, NUM_PICTURES)
        tables = truth.draw(0.0, shape, draws)
        found = crossed(tables)
        held["covers"].append(_holds(found.interval(), 0.0))
        held["student"].append(_holds(_student(tables), 0.0))
        held["bootstrap"].append(_holds(_hierarchical(tables, draws), 0.0))
        held["null"].append(_supported(found))
        held["effect"].append(_supported(crossed(truth.draw(effect, shape, draws))))
    share = {name: float(np.concatenate(parts).mean()) for name, parts in held.items()}
    se = truth.se(num_seeds, NUM_PICTURES)
    return Row(
        truth=truth.name,
        num_seeds=num_seeds,
        covers=share["covers"],
        student=share["student"],
        bootstrap=share["bootstrap"],
        false_support=share["null"],
        effect=effect,
        power=share["effect"],
        promised=power(effect, se, _degrees(truth, num_seeds)),
    )


def _noticeable(truth: Truth, num_seeds: int) -> float:
    """The effect that the plan promises to support four times in five, to two digits."""
    se, degrees = truth.se(num_seeds, NUM_PICTURES), _degrees(truth, num_seeds)
    tried = np.arange(0.01, 1.0, 0.01)
    return round(float(next(effect for effect in tried if power(effect, se, degrees) >= 0.8)), 2)


def _degrees(truth: Truth, num_seeds: int) -> float:
    """Satterthwaite's degrees of freedom at the expected mean squares."""
    residual = truth.residual_sd**2
    seeds = NUM_PICTURES * truth.seed_sd**2 + residual
    pictures = num_seeds * truth.picture_sd**2 + residual
    spread = seeds**2 / (num_seeds - 1) + pictures**2 / (NUM_PICTURES - 1)
    spread += residual**2 / ((num_seeds - 1) * (NUM_PICTURES - 1))
    return (seeds + pictures - residual) ** 2 / spread


def _supported(found: Crossed) -> np.ndarray:
    whole, narrow = found.interval(), found.interval(0.90)
    ends = zip(found.value, zip(*whole, strict=True), zip(*narrow, strict=True), strict=True)
    return np.array([decide(value, wide, near, LEAST) == "supported" for value, wide, near in ends])


def _holds(ends: tuple[np.ndarray, np.ndarray], truth: float) -> np.ndarray:
    return (ends[0] <= truth) & (truth <= ends[1])


def _student(tables: Float[np.ndarray, "N S P"]) -> tuple[np.ndarray, np.ndarray]:
    means = tables.mean(-1)
    reach = special.stdtrit(means.shape[1] - 1, (1 + LEVEL) / 2) * means.std(-1, ddof=1) / math.sqrt(means.shape[1])
    return means.mean(-1) - reach, means.mean(-1) + reach


def _hierarchical(tables: Float[np.ndarray, "N S P"], draws: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of means over seeds drawn with replacement and, apart, pictures drawn with replacement."""
    _, seeds, pictures = tables.shape
    of_seeds = draws.multinomial(seeds, np.full(seeds, 1 / seeds), _RESAMPLES) / seeds
    of_pictures = draws.multinomial(pictures, np.full(pictures, 1 / pictures), _RESAMPLES) / pictures
    means = np.einsum("rs,nsp,rp->nr", of_seeds, tables, of_pictures, optimize=True)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=1)
    return low, high
