"""What a study will cost, from its plan alone: it is told before anything is started. Torch is loaded for operations alone.

Rates and sizes are those of nano models; operations are exact at any size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bothways.study.budget import amount
from bothways.study.plan import Plan
from bothways.study.study import Arm

SAMPLES_PER_S = 195  # of the nano recipes in training on one core of an AMD EPYC, tokens cached (LOG.md, 2026-11-21)
FLOPS_PER_S = 1.13e11  # the same rate: a sample of vq-vq takes 5.8e8 in training
# Of finished runs of vq-vq (1M weights, Muon; under AdamW a checkpoint is a third larger): beside the milestones one checkpoint
# is kept; answers of an exam of 500 pictures and 200 drawings, and of the small ones between.
CHECKPOINT_MB = 8.8
ANSWERS_MB = {(True, False): 10.4, (False, True): 4.4, (True, True): 15.2}  # (reads, draws)


@dataclass(frozen=True)
class Cost:
    """Of one or more runs. `disk_mb`: checkpoints and answers of nano runs; `flops`: of training, None where it was not asked
    for."""

    runs: int = 0
    samples: int = 0
    disk_mb: float = 0.0
    flops: float | None = None

    @property
    def core_hours(self) -> float:
        """Of training alone, at the rate measured for nano models; exams and encoding come on top."""
        seconds = self.samples / SAMPLES_PER_S if self.flops is None else self.flops / FLOPS_PER_S
        return seconds / 3600

    def __add__(self, other: Cost) -> Cost:
        known = [one.flops for one in (self, other) if one.runs]
        flops = None if None in known else sum(known)
        return Cost(self.runs + other.runs, self.samples + other.samples, self.disk_mb + other.disk_mb, flops)

    def __mul__(self, seeds: int) -> Cost:
        flops = None if self.flops is None else seeds * self.flops
        return Cost(seeds * self.runs, seeds * self.samples, seeds * self.disk_mb, flops)

    def __str__(self) -> str:
        told = [f"{self.runs} runs", f"{self.samples / 1e6:.2g}M samples"]
        told += [] if self.flops is None else [f"{self.flops:.2g} FLOPs"]
        told += [f"about {self.core_hours:.1f} core hours of training", f"{self.disk_mb / 1000:.1f} GB"]
        return ", ".join(told)


def cost_of(planned: Plan) -> Cost:
    """The cost of one seed of a planned study, without its operations."""
    return sum(costs_of(planned).values(), Cost())


def costs_of(planned: Plan) -> dict[str, Cost]:
    """Arm -> the cost of one run of it, without its operations."""
    return {arm.name: Cost(1, _samples(planned, arm), _disk_mb(planned, arm)) for arm in planned.study.arms}


def with_flops(costs: Mapping[str, Cost], planned: Plan) -> dict[str, Cost]:
    """The same with operations, which loads torch and builds every arm's model without weights; hours then follow from them.

    Raises: ConfigError when a part of a model cannot be had.
    """
    recipes = {arm: by_seed[planned.study.seeds[0]] for arm, by_seed in planned.configs.items()}
    return {arm: replace(cost, flops=amount(recipes[arm], "FLOPs")) for arm, cost in costs.items()}


def _samples(planned: Plan, arm: Arm) -> int:
    return sum(by_arm[arm.name] for by_arm in planned.samples.values())


def _disk_mb(planned: Plan, arm: Arm) -> float:
    train = planned.configs[arm.name][planned.study.seeds[0]].train
    return (len(train.milestone_steps) + 1) * CHECKPOINT_MB + ANSWERS_MB.get((arm.reads, arm.draws), 0.0)
