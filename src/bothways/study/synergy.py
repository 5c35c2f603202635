"""The synergy card of a recipe, as numbers: what each skill gains from the other, over itself alone and over the best placebo.

It is made of the results of a short ladder with more arms beside it (`studies/synergy.py`): comparisons named
`<skill>-<control>`, all of one arm that does both; arms with exchanged names (`swaps.py`) and with fewer labels (`labels.py`).
"The content helps" is said of that arm minus the best placebo, the one with the highest mean. "Mutual" asks both directions for
it, at 5 % each, since both must hold; "in some direction" is corrected by Holm's method, since one is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bothways.core.config import Config
from bothways.core.errors import DataError
from bothways.core.rundir import RunDir
from bothways.study.card_arms import ALONE, UNIFIED
from bothways.study.claims import by_gain, holm_of, in_all, in_some
from bothways.study.exchanges import Exchange, exchanges_of
from bothways.study.gather import Gathered, gather
from bothways.study.labels import LabelsSaved, labels_in
from bothways.study.plan import Plan
from bothways.study.swaps import Swap, swap_in
from bothways.study.verdict import Label, Verdict
from bothways.train.log import read_log

if TYPE_CHECKING:
    from bothways.study.run import Results

OTHERS = {"reading": "drawing", "drawing": "reading"}
Result = Literal["mutual", "one direction", "not shown", "pilot"]


class Gain(Config):
    """The arm that does both minus one control on the primary measure, positive where doing both is better. `low` to `high`:
    95 % over seeds and pictures; `p_value`: two-sided, of the same t."""

    control: str  # name of the control without the skill
    arm: str
    mean: float  # of the control
    value: float
    low: float | None
    high: float | None
    p_value: float | None
    label: Label
    sentence: str


class Direction(Config):
    """What one skill gains from the other. `p_holm`: of the gain over the best placebo, corrected for the directions."""

    skill: str
    measure: str
    minimum_effect: float
    both: float  # mean of the arm that does both
    alone: Gain
    best: Gain  # over the best placebo: the claim that the content helps rests on it
    placebos: tuple[Gain, ...]  # the other ones
    exchanges: tuple[Exchange, ...]  # of the primary measure first
    swap: Swap | None  # null where the world has no names to exchange, or the arm is not finished
    own_samples: int  # over a whole run
    other_samples: int
    num_items: int  # a seed
    num_pictures: int
    p_holm: float = 1.0

    @property
    def helps(self) -> bool:
        """The content helps, and doing both is no worse than the skill alone."""
        return self.best.label == "supported" and self.alone.value > 0


class Cost(Config):
    """One run of an arm."""

    arm: str
    about: str
    flops: float | None  # of training
    samples: int | None
    seconds: float


class Card(Config):
    """The card of a recipe. `shares`: term -> mean share of the gradient in the arm that does both; empty where not logged."""

    base: str
    result: Result
    seeds: tuple[int, ...]
    min_seeds: int
    parameters: int | None  # trained
    steps: int
    pools: dict[str, int]  # source -> distinct pictures; 0: fresh ones all along
    directions: tuple[Direction, ...]
    labels: LabelsSaved | None  # null where the study has no arms of fewer labels
    settings: dict[str, Any]  # what the study sets in every arm: dotted keys of the recipe
    shares: dict[str, float]
    costs: tuple[Cost, ...]
    missing: tuple[str, ...]


def card_of(results: Results) -> Card:
    """A skill whose primary measure is missing somewhere has no direction, and `missing` says so.

    Raises: DataError when that holds for every skill, RunError when a run is unmarked.
    """
    plan = results.plan
    study, found = plan.study, gather(plan.study, results.folders)
    missing = {one.primary.split("/")[0]: one.primary for one in found.verdicts if one.difference is None}
    skills = dict.fromkeys(c.primary.split("/")[0] for c in study.comparisons if c.treatment == UNIFIED)
    unmeasured = tuple(f"`{measure}` was not measured in all arms" for measure in missing.values())
    if missing.keys() >= skills.keys():
        raise DataError(f"{' and '.join(unmeasured)}, so there is no card; give the exam more pictures and drawings.")
    directions = corrected([_direction(found, plan, skill) for skill in skills if skill not in missing])
    num = len(study.seeds)
    spent = [(arm, results.ledger.arms[arm.name]) for arm in study.arms]
    sources = plan.configs[UNIFIED][study.seeds[0]].to_dict()["data"]["sources"]
    return Card(
        base=study.base,
        result=result_of(directions, num >= study.min_seeds),
        seeds=study.seeds,
        min_seeds=study.min_seeds,
        parameters=results.ledger.arms[UNIFIED].parameters,
        steps=plan.steps[UNIFIED],
        pools={name: one.get("num_pictures", 0) for name, one in sources.items() if one["samples_per_step"]},
        directions=directions,
        labels=labels_in(found, plan),
        settings=study.base_changes,
        shares=shares_of(found.runs[UNIFIED]),
        costs=tuple(
            Cost(
                arm=arm.name,
                about=arm.about,
                flops=None if cost.flops is None else cost.flops / num,
                samples=None if cost.samples is None else cost.samples // num,
                seconds=sum(cost.seconds.values()) / num,
            )
            for arm, cost in spent
        ),
        missing=(*unmeasured, *results.standing.missing),
    )


def result_of(directions: Sequence[Direction], enough: bool) -> Result:
    """What may be said of all directions together; `enough`: there are as many seeds as the rule asks for."""
    if not enough:
        return "pilot"
    helped = [one.helps for one in directions]
    if in_all(helped):
        return "mutual"
    return "one direction" if any(in_some(helped, [one.p_holm for one in directions])) else "not shown"


def corrected(directions: Sequence[Direction]) -> tuple[Direction, ...]:
    """The directions with Holm's p-values over all of them."""
    p_values = holm_of([one.best.p_value for one in directions])
    return tuple(one.with_changes({"p_holm": p}) for one, p in zip(directions, p_values, strict=True))


def _direction(found: Gathered, plan: Plan, skill: str) -> Direction:
    study = found.study
    comparisons = [c for c in study.comparisons if c.primary.split("/")[0] == skill and c.treatment == UNIFIED]
    verdicts = {one.comparison: one for one in found.verdicts}
    gains = [_gain(verdicts[c.name], c.control, skill) for c in comparisons]
    by_control = {gain.control: gain for gain in gains}
    alone = by_control.pop(ALONE)
    best, *placebos = [by_control[name] for name in by_gain({name: gain.value for name, gain in by_control.items()})]
    seen = verdicts[alone.arm].difference
    arms = (alone.arm, UNIFIED, [best.arm, *(gain.arm for gain in placebos)])
    own = sum(of[UNIFIED] for of in plan.samples.values() if of[alone.arm])
    other = sum(of[UNIFIED] for of in plan.samples.values() if not of[alone.arm])
    return Direction(
        skill=skill,
        measure=comparisons[0].primary,
        minimum_effect=comparisons[0].minimum_effect,
        both=seen.treatment,
        alone=alone,
        best=best,
        placebos=placebos,
        exchanges=exchanges_of(found, comparisons[0].primary, arms, own / other),
        swap=swap_in(found, skill),
        own_samples=own,
        other_samples=other,
        num_items=seen.n,
        num_pictures=seen.num_pictures,
    )


def _gain(verdict: Verdict, arm: str, skill: str) -> Gain:
    difference = verdict.difference
    ends = (difference.low, difference.high)
    low, high = ends if difference.higher_is_better else [None if end is None else -end for end in reversed(ends)]
    return Gain(
        control=arm.removeprefix(f"{skill}-"),
        arm=arm,
        mean=difference.control,
        value=difference.gain,
        low=low,
        high=high,
        p_value=difference.p_value,
        label=verdict.label,
        sentence=verdict.sentence,
    )


def shares_of(runs: Sequence[Path]) -> dict[str, float]:
    """Term -> its share of the gradient norm, the mean over the logged steps of all runs; empty where none was logged."""
    logged = [line["shares"] for run in runs for line in read_log(RunDir(run).log_path) if line.get("shares")]
    terms = dict.fromkeys(term for shares in logged for term in shares)
    return {term: float(np.mean([shares[term] for shares in logged if term in shares])) for term in terms}
