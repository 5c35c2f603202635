"""Which runs of a study are trained as one stacked model: seeds of one arm, as many as asked for. No torch here."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.core.config import digest_of
from bothways.study.job import Job

SEEDS = ("model.seed", "data.seed", "train.seed")  # all in which stacked runs may differ


def stacks_of(jobs: Sequence[Job], num: int) -> list[tuple[Job, ...]]:
    """The jobs in stacks of at most `num`, in the order of their first ones; a run that cannot be stacked is one by itself."""
    stacks: list[list[Job]] = []
    open_ones: dict[str, list[Job]] = {}  # by what its runs have in common
    for job in jobs:
        common = _common(job)
        stack = open_ones.get(common, [])
        if not stack or len(stack) == num or job.recipe.model.unstackable:
            stack = open_ones[common] = []
            stacks.append(stack)
        stack.append(job)
    return [tuple(stack) for stack in stacks]


def unstacked(jobs: Sequence[Job], num: int) -> str | None:
    """A sentence on the arms whose seeds are trained one after another although `num` were to be one; None: there are none."""
    found = {job.arm: job.recipe.model.unstackable for job in jobs if job.recipe.model.unstackable}
    if num == 1 or not found:
        return None
    return (
        f"The seeds of {', '.join(found)} cannot be trained as one because of {next(iter(found.values()))}; they are trained "
        "one after another."
    )


def _common(job: Job) -> str:
    alike = job.recipe.with_changes(dict.fromkeys(SEEDS, 0)).to_dict()
    return digest_of({"arm": job.arm, "recipe": alike, "cache": str(job.cache)})
