"""When a setting fits, which one is chosen, and what its plan then promises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from studies import fake_run, small_study

from bothways.core.config import read_yaml
from bothways.core.errors import ConfigError
from bothways.studies import STUDIES
from bothways.study.calibrate import Pilot, Setting, calibrate, calibrated
from bothways.study.job import Job
from bothways.study.pilot import settings_of
from bothways.study.study import Study


def pilot(*values: float) -> Pilot:
    return Pilot("reading/hands/skill", values)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ((0.50, 0.52, 0.47), None),
        ((0.10, 0.12, 0.11), "too low"),
        ((0.91, 0.92, 0.93), "too high"),
        ((0.40, 0.52, 0.62), "differ too much"),
        ((0.31, 0.32, 0.62, 0.63), "two groups"),
    ],
)
def test_a_skill_fits_where_an_effect_can_show(values, fault):
    found = pilot(*values).fault
    assert found is None if fault is None else fault in found


def test_settings_are_all_combinations():
    found = settings_of({"world.level": ["glance", "all"], "train.steps": [1, 2]})
    assert len(found) == 4 and found[1] == {"world.level": "glance", "train.steps": 2}
    with pytest.raises(ConfigError, match="at least one key"):
        settings_of({})


def test_the_plan_gets_the_setting_and_a_spread_that_promises_too_little():
    study = small_study()
    chosen = Setting({"train.steps": 7}, {"reading": pilot(0.5, 0.54), "drawing": pilot(0.5, 0.5)})
    assert chosen.fits
    found = calibrated(study, chosen)
    assert found.base_changes["train.steps"] == 7
    for one in found.comparisons:
        sd = chosen.pilots[one.primary.split("/")[0]].sd
        assert one.seed_sd == pytest.approx(2**0.5 * sd) and "2 pilot seeds" in one.seed_sd_source


def test_of_a_ladder_the_skills_alone_are_tried_and_no_placebo(tmp_path: Path):
    ran: list[str] = []

    def train(jobs: list[Job]) -> None:
        for job in jobs:
            fake_run(job.folder, {"hour": 0.5, "minute": 0.5}, job.arm, seed=0, num=100)
            ran.append(job.arm)

    calibrate(STUDIES.load("ladder-short"), {"train.steps": [300]}, tmp_path, train)
    assert set(ran) == {"reading-alone", "drawing-alone"}


def test_every_setting_is_tried_by_both_arms_alone_on_pilot_seeds_and_the_steadiest_fits(tmp_path: Path):
    """Stand-ins for training: how often they are right follows from the steps, and a little from the seed."""
    knows = {100: (0.02, 0.0), 300: (0.27, 0.05), 600: (0.30, 0.01), 900: (1.0, 0.0)}
    ran: list[Job] = []

    def train(jobs: list[Job]) -> None:
        for job in jobs:
            right, moves = knows[job.recipe.train.steps]
            share = right + moves * (job.seed - 1001)
            fake_run(job.folder, {"hour": share, "minute": share}, job.arm, seed=0, num=100)
            ran.append(job)

    study = STUDIES.load("quickstart")
    found, chosen = calibrate(study, {"train.steps": list(knows)}, tmp_path, train)
    assert {(job.arm, job.seed) for job in ran} == {(a, s) for a in ("understanding", "drawing") for s in (1000, 1001, 1002)}
    assert len(ran) == 6 * len(knows) and len({job.folder for job in ran}) == len(ran)
    means = [one.pilots["reading"].mean for one in found]
    assert means == sorted(means) and not found[0].fits and not found[3].fits
    held = json.loads((tmp_path / "calibration.json").read_text())
    assert (
        chosen is not None
        and held["chosen"] == dict(chosen.changes)
        and chosen.spread == min(s.spread for s in found if s.fits)
    )
    written = Study.parse(read_yaml(tmp_path / "study.yaml"))
    assert written.base_changes["train.steps"] == chosen.changes["train.steps"] and written.seeds == (0,) and not written.pilot


def test_where_none_fits_that_is_the_answer(tmp_path: Path):
    def train(jobs: list[Job]) -> None:
        for job in jobs:
            fake_run(job.folder, {"hour": 1.0, "minute": 1.0}, job.arm, num=30)

    _, chosen = calibrate(STUDIES.load("quickstart"), {"train.steps": [1]}, tmp_path, train, num_seeds=2)
    assert chosen is None and not (tmp_path / "study.yaml").exists()
