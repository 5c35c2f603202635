"""The trials of a tuning, and which runs hold them: trials that differ in how pictures are drawn alone share theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bothways.core.config import digest_of
from bothways.core.errors import ConfigError
from bothways.core.randomness import rng
from bothways.study.job import Job
from bothways.study.pilot import pilot_of, settings_of
from bothways.study.study import Study

EXAM, FINAL = "exam.", "final"

Trial = dict[str, Any]  # dotted key -> value


def trials_of(axes: Mapping[str, Sequence[Any]], num: int | None = None) -> list[Trial]:
    """Every combination of the values, or `num` of them drawn at random, always the same ones.

    Raises: ConfigError when there are fewer than two, or fewer than `num`.
    """
    every = settings_of(axes)
    num = len(every) if num is None else num
    if not 2 <= num <= len(every):
        raise ConfigError(f"Found {num} trials of {len(every)} settings; expected 2 or more, and no more than there are.")
    drawn = rng(0, "trials", digest_of(every)).permutation(len(every))[:num]
    return [every[number] for number in sorted(drawn)]


def of_every_arm(study: Study, changes: Mapping[str, Trial]) -> list[dict[str, Any]]:
    """The arms of a study as plain values, each changed further. `changes`: arm -> its own."""
    return [arm.to_dict() | {"changes": {**arm.changes, **changes[arm.name]}} for arm in study.arms]


def sittings_of(
    study: Study, trials: Sequence[Trial], out: Path, num_seeds: int
) -> dict[tuple[str, int], list[tuple[Job, str]]]:
    """(arm, number of the trial) -> a run a seed, and the exam in it that has the trial's drawings."""
    from bothways.study.plan import plan_of
    from bothways.study.run import jobs_of

    found: dict[tuple[str, int], list[tuple[Job, str]]] = {}
    for numbers in _trained_alike(trials):
        arms = of_every_arm(study, dict.fromkeys((arm.name for arm in study.arms), _parts(trials[numbers[0]])[0]))
        for job in jobs_of(plan_of(pilot_of(study, num_seeds, {"arms": arms})), out):
            exams = {number: _exam(job, trials[number]) for number in numbers}
            redrawn = {exam: _parts(trials[number])[1] for number, exam in exams.items() if exam != FINAL}
            sitting = replace(job, arm=f"{job.arm} trial {numbers[0] + 1}", redrawn=redrawn)
            for number, exam in exams.items():
                found.setdefault((job.arm, number), []).append((sitting, exam))
    return found


def _trained_alike(trials: Sequence[Trial]) -> list[list[int]]:
    """Numbers of the trials that differ in how pictures are drawn alone: one run has them all."""
    found: dict[str, list[int]] = {}
    for number, trial in enumerate(trials):
        found.setdefault(digest_of(_parts(trial)[0]), []).append(number)
    return list(found.values())


def _parts(trial: Trial) -> tuple[Trial, Trial]:
    """What is trained otherwise, and what is drawn otherwise."""
    drawn = {key: value for key, value in trial.items() if key.startswith(EXAM)}
    return {key: value for key, value in trial.items() if key not in drawn}, drawn


def _exam(job: Job, trial: Trial) -> str:
    """Name of the exam that is drawn so: guidance-2.0-temperature-0.5, or final where that one is, or nothing is drawn."""
    drawn = _parts(trial)[1]
    if not job.draws or job.recipe.with_changes(drawn) == job.recipe:
        return FINAL
    return "-".join(f"{key.removeprefix(EXAM)}-{value}" for key, value in drawn.items())
