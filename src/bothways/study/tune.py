"""Which setting suits each arm? Every arm of a study is given the same trials, as pilots (pilot.py), and takes the best.

One setting for all arms may suit one of them better, and then a difference is not that of what is studied. So learning rate,
loss weights, or how pictures are drawn are chosen for each arm by itself:

    the same for every arm    settings tried, pilot seeds, scenes of the validation split, steps
    score of a trial          mean over the pilot seeds and over the arm's primary measures: those of the comparisons that it
                              takes part in, each once. An arm that reads and draws is one model with one setting, so the mean
                              of both skills counts, while an arm alone is tuned for its one skill: that favours the latter
    chosen                    the trial with the best score, of equal ones the first

How pictures are drawn (`exam.guidance` and the like) needs no training: an arm is trained once and draws its exam again. The
study with what was chosen runs on other seeds and on the test split, so that no luck of the choice is left in it.

    OUT/runs/          the pilot's runs, by the hash of their configs
    OUT/tuning.json    every trial of every arm with what it scored, what was chosen, and where that is the last value tried
    OUT/study.yaml     the study with each arm at its own best setting

Source: what is tuned anew for each value of what is studied is a "nuisance hyperparameter" in Google's Deep Learning Tuning
Playbook (github.com/google-research/tuning_playbook), which is followed in that, and in looking at the edges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.config import digest_of
from bothways.core.disk import write_json
from bothways.core.errors import ConfigError
from bothways.study.job import Job
from bothways.study.pilot import pilot_seeds, score_of, write_study
from bothways.study.study import Study
from bothways.study.trials import EXAM, FINAL, Trial, of_every_arm, sittings_of, trials_of

TUNABLE = ("train", "model", "data")  # sections of a recipe; `world` and most of `exam` would change what is asked


@dataclass(frozen=True)
class Tried:
    """One trial of one arm. `values`: primary measure -> a value a pilot seed, turned so that more is better."""

    changes: Trial
    values: Mapping[str, tuple[float, ...]]
    runs: tuple[str, ...]  # folders

    @property
    def by_seed(self) -> np.ndarray:
        return np.mean(list(self.values.values()), axis=0)

    @property
    def score(self) -> float:
        return float(self.by_seed.mean())

    @property
    def sd(self) -> float:
        """Over seeds."""
        return float(self.by_seed.std(ddof=1))


@dataclass(frozen=True)
class TunedArm:
    """All trials of one arm, in the order of the trials."""

    name: str
    trials: tuple[Tried, ...]

    @property
    def chosen(self) -> Tried:
        return max(self.trials, key=lambda trial: trial.score)

    @property
    def is_tied(self) -> bool:
        """Whether no trial was better than another, so that the first one stands for all."""
        return len({trial.score for trial in self.trials}) == 1

    @property
    def edges(self) -> dict[str, str]:
        """Key -> "lowest" or "highest", where the chosen value is the last number tried and all others did worse: a better one
        may lie beyond."""
        found = {}
        for key, value in self.chosen.changes.items():
            numbers = [trial.changes[key] for trial in self.trials if _is_number(trial.changes[key])]
            others = [trial.score for trial in self.trials if trial.changes[key] != value]
            if _is_number(value) and others and max(others) < self.chosen.score and value in (min(numbers), max(numbers)):
                found[key] = "lowest" if value == min(numbers) else "highest"
        return found


def tune(
    study: Study,
    axes: Mapping[str, Sequence[Any]],
    out: Path,
    run: Callable[[list[Job]], None],
    num_seeds: int = 3,
    num_trials: int | None = None,
) -> tuple[list[TunedArm], Study]:
    """Trains the pilots, writes OUT/tuning.json and OUT/study.yaml, and returns every arm's trials and the tuned study.

    `axes`: dotted key -> values to try. `run` trains and examines jobs. Raises: ConfigError, before anything runs, when a key
    is what the study asks about, changes the exam, or would give arms unequal budgets; when an arm has no measure to be tuned
    by, or measures that have no mean; when the study was tuned already.
    """
    trials = trials_of(axes, num_trials)
    measures = {arm.name: measures_of(study, arm.name) for arm in study.arms}
    _refuse_unfair(study, trials, num_seeds)
    sittings = sittings_of(study, trials, out, num_seeds)
    run(list({job.folder: job for found in sittings.values() for job, _ in found}.values()))
    arms = [
        TunedArm(arm, tuple(_tried(trial, sittings[arm, number], measures[arm]) for number, trial in enumerate(trials)))
        for arm in measures
    ]
    found = tuned(study, {arm.name: arm.chosen.changes for arm in arms}, trials, num_seeds)
    write_json(out / "tuning.json", {"tuned": found.tuned.to_dict(), "arms": {arm.name: _plain(arm) for arm in arms}})
    write_study(found, out / "study.yaml")
    return arms, found


def measures_of(study: Study, arm: str) -> tuple[str, ...]:
    """The measures that an arm is tuned by, each once.

    Raises: ConfigError when there are none, or they have no common unit.
    """
    found = tuple(dict.fromkeys(one.primary for one in study.comparisons if arm in (one.treatment, one.control)))
    if not found:
        raise ConfigError(
            f"The arm `{arm}` takes part in no comparison, so nothing says what suits it; compare it, or leave it out."
        )
    if len({measure.split("/")[2] for measure in found}) > 1:
        raise ConfigError(
            f"The arm `{arm}` rests on {' and '.join(found)}, which have no common unit; compare it in one, e.g. skill."
        )
    return found


def tuned(study: Study, chosen: Mapping[str, Trial], trials: Sequence[Trial], num_seeds: int) -> Study:
    """The study with each arm at its own setting. Raises: ConfigError when one key is what the study asks about."""
    tried = {key: list({digest_of(trial[key]): trial[key] for trial in trials}.values()) for key in trials[0]}
    told = {
        "tried": tried,
        "trials": {arm.name: len(trials) for arm in study.arms},
        "seeds": pilot_seeds(num_seeds),
    }
    return Study.parse(study.to_dict() | {"arms": of_every_arm(study, chosen), "tuned": told})


def _refuse_unfair(study: Study, trials: Sequence[Trial], num_seeds: int) -> None:
    from bothways.heads.choose import OF_DRAWINGS
    from bothways.study.plan import plan_of

    if study.tuned is not None:
        raise ConfigError(f"The arms of study `{study.name}` were tuned already; tune the study that they were made from.")
    drawings = [EXAM + name for name in OF_DRAWINGS]
    for key in trials[0]:
        if key.split(".")[0] not in TUNABLE and key not in drawings:
            raise ConfigError(
                f"`{key}` cannot be tuned, because every arm must be asked the same; tune a key of {', '.join(TUNABLE)}, or of "
                f"how pictures are drawn ({', '.join(drawings)})."
            )
    treated = {comparison.treatment for comparison in study.comparisons}
    for trial in trials:  # any two settings may meet in a comparison
        one = {arm.name: trial if arm.name in treated else trials[0] for arm in study.arms}
        plan_of(tuned(study, one, trials, num_seeds))


def _tried(trial: Trial, sittings: Sequence[tuple[Job, str]], measures: Sequence[str]) -> Tried:
    """What is not drawn stands in the final exam alone, because it depends on no way of drawing."""
    values = {}
    for measure in measures:
        scores = [score_of(job.folder, measure, exam, FINAL) for job, exam in sittings]
        values[measure] = tuple(score.value if score.higher_is_better else -score.value for score in scores)
    return Tried(trial, values, tuple(job.folder.name for job, _ in sittings))


def _plain(arm: TunedArm) -> dict[str, Any]:
    trials = [
        {"changes": one.changes, "score": one.score, "sd": one.sd, "values": dict(one.values), "runs": list(one.runs)}
        for one in arm.trials
    ]
    told = {"chosen": arm.chosen.changes, "score": arm.chosen.score, "tied": arm.is_tied, "at_the_edge": arm.edges}
    return told | {"trials": trials}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
