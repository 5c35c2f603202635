"""Where can a question be decided? Both skills alone, on pilot seeds, at every setting that is tried.

A setting is a change of the base: the world's level or the number of steps, for example. The arm that only reads and the arm
that only draws run at each, as pilots (pilot.py). A setting fits when both skills lie where an effect can show either way, when
seeds agree well enough to see one, and when they do not fall into two groups:

    0.3 <= mean skill <= 0.7         below, nothing was learned yet; above, no room is left
    sd over seeds < 0.08
    no second mode: no gap between neighbouring seeds above 0.2

Of those that fit, the one with the smallest spread is chosen, and where none does, that is the answer. The spread feeds the
plan: as if runs were not paired, so it promises too little rather than too much.

    OUT/runs/               the pilot's runs, by the hash of their configs
    OUT/calibration.json    every setting with what was found
    OUT/study.yaml          the study at the chosen setting, with its spread; absent where none fits
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bothways.core.disk import write_json
from bothways.core.errors import ConfigError
from bothways.study.job import Job
from bothways.study.pilot import pilot_of, score_of, settings_of, write_study
from bothways.study.study import Study

LOWEST, HIGHEST, MOST_SD, GAP = 0.3, 0.7, 0.08, 0.2
TWO_GROUPS = "two groups of seeds"
SKILLS = ("reading", "drawing")


@dataclass(frozen=True)
class Pilot:
    """One skill at one setting: `values` by seed, in order."""

    measure: str
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def sd(self) -> float:
        return float(np.std(self.values, ddof=1))

    @property
    def fault(self) -> str | None:
        """Why nothing can be decided here; None where it can."""
        if self.mean < LOWEST:
            return f"too low ({self.mean:.2f})"
        if self.mean > HIGHEST:
            return f"too high ({self.mean:.2f})"
        if float(np.diff(np.sort(self.values)).max()) > GAP:
            return TWO_GROUPS
        return f"seeds differ too much (sd {self.sd:.2f})" if self.sd >= MOST_SD else None


@dataclass(frozen=True)
class Setting:
    """What was changed, and what both skills alone came to."""

    changes: Mapping[str, Any]
    pilots: Mapping[str, Pilot]

    @property
    def fits(self) -> bool:
        return all(pilot.fault is None for pilot in self.pilots.values())

    @property
    def spread(self) -> float:
        return max(pilot.sd for pilot in self.pilots.values())


def calibrate(
    study: Study,
    axes: Mapping[str, Sequence[Any]],
    out: Path,
    run: Callable[[list[Job]], None],
    num_seeds: int = 3,
) -> tuple[list[Setting], Setting | None]:
    """Trains the pilot, writes OUT/calibration.json, and returns every setting and the chosen one.

    Of the first comparison on each skill, reading and drawing, the control is the arm that has this skill alone. `run` trains
    and examines jobs. Raises: ConfigError when the study has no such comparisons, or with fewer than two seeds.
    """
    found = [_setting(study, changes, out, run, num_seeds) for changes in settings_of(axes)]
    fitting = sorted((setting for setting in found if setting.fits), key=lambda setting: setting.spread)
    chosen = fitting[0] if fitting else None
    write_json(
        out / "calibration.json", {"settings": [_plain(one) for one in found], "chosen": chosen and dict(chosen.changes)}
    )
    if chosen is not None:
        write_study(calibrated(study, chosen), out / "study.yaml")
    return found, chosen


def calibrated(study: Study, chosen: Setting) -> Study:
    """The study at that setting, with the spread that its plan needs."""
    comparisons = []
    for one in study.comparisons:
        pilot = chosen.pilots[_skill(one.primary)]
        spread = {
            "seed_sd": math.sqrt(2) * pilot.sd,
            "seed_sd_source": f"{len(pilot.values)} pilot seeds alone, as if unpaired",
        }
        comparisons.append(one.to_dict() | spread)
    changes = {"base_changes": {**study.base_changes, **chosen.changes}, "comparisons": comparisons}
    return Study.parse(study.to_dict() | changes)


def _setting(study: Study, changes: dict[str, Any], out: Path, run: Callable[[list[Job]], None], num_seeds: int) -> Setting:
    from bothways.study.plan import plan_of
    from bothways.study.run import jobs_of

    # A ladder compares each skill with many controls; the first is the skill alone.
    controls = {_skill(one.primary): one for one in reversed(study.comparisons)}
    if set(controls) != set(SKILLS):
        raise ConfigError(
            f"Study `{study.name}` compares {' and '.join(controls) or 'nothing'}; a calibration needs a comparison of each "
            "skill, reading and drawing."
        )
    alone = {controls[skill].control for skill in SKILLS}
    planned = plan_of(pilot_of(study, num_seeds, {"base_changes": {**study.base_changes, **changes}}))
    jobs = [job for job in jobs_of(planned, out) if job.arm in alone]
    run(jobs)
    pilots = {}
    for skill in SKILLS:
        one = controls[skill]
        folders = [job.folder for job in jobs if job.arm == one.control]
        pilots[skill] = Pilot(one.primary, tuple(score_of(folder, one.primary, "final").value for folder in folders))
    return Setting(changes, pilots)


def _skill(measure: str) -> str:
    return measure.split("/")[0]


def _plain(setting: Setting) -> dict[str, Any]:
    return {
        "changes": dict(setting.changes),
        "fits": setting.fits,
        **{s: asdict(p) | {"mean": p.mean, "sd": p.sd, "fault": p.fault} for s, p in setting.pilots.items()},
    }
