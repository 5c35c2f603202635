"""What a study will cost, from its plan alone. No torch: it is told before anything is started."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.study.plan import Plan

SAMPLES_PER_S = 195  # of the nano recipes in training on one core of an AMD EPYC, tokens cached (LOG.md, 2026-11-21)


@dataclass(frozen=True)
class Cost:
    """Of one seed. `core_hours`: training alone, at the rate measured for nano models; exams and encoding come on top."""

    runs: int
    samples: int

    @property
    def core_hours(self) -> float:
        return self.samples / SAMPLES_PER_S / 3600

    def __str__(self) -> str:
        runs, samples = f"{self.runs} runs a seed", f"{self.samples / 1e6:.2g}M samples"
        return f"{runs}, {samples}, about {self.core_hours:.1f} core hours of training"


def cost_of(planned: Plan) -> Cost:
    """The cost of one seed of a planned study."""
    return Cost(len(planned.study.arms), sum(count for by_arm in planned.samples.values() for count in by_arm.values()))
