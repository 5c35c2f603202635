"""When a level is reached, where skills come at once: curves whose steps are known, and runs that never get there."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from studies import fake_run, small_study

from bothways.core.errors import ConfigError
from bothways.studies import STUDIES
from bothways.study.exchange import Learning
from bothways.study.plan import plan_of
from bothways.study.reaching import sooner, soonness
from bothways.study.study import Comparison, Study
from bothways.study.verdict import verdict

STEPS = (50, 100, 200, 400, 800)
ASKED: Comparison = small_study().comparisons[0].with_changes({"reaches": 0.5, "minimum_effect": 0.2})


def jumps(*at: float) -> Learning:
    """A seed each, nothing until it jumps: 0.5 is reached at that step exactly, in the midst between two exams of 0 and 1."""
    values = [np.interp(STEPS, [0.9 * step, 1.1 * step], [0.0, 1.0]) for step in at]
    return Learning(STEPS, np.array(values))


def ramps(*factors: float) -> Learning:
    """Skill that grows with the logarithm of the step; a factor of 2 gets anywhere in half the steps."""
    return Learning(STEPS, np.array([[math.log2(step * factor / 25) / 6 for step in STEPS] for factor in factors]))


def judged(treatment: Learning, control: Learning):
    study = small_study()
    return verdict(study, ASKED, sooner(treatment, control, ASKED))


def test_twice_as_soon_is_a_difference_of_one_and_is_supported():
    found = judged(ramps(2.0, 2.1, 1.9, 2.0, 2.05), ramps(1.0, 1.0, 1.0, 1.0, 1.0))
    assert found.label == "supported" and found.difference.gain == pytest.approx(1.0, abs=0.05)
    assert found.difference.num_censored == 0 and "log2 of the steps to 0.5" in found.sentence
    assert judged(ramps(1.0, 1.0, 1.0, 1.0, 1.0), ramps(2.0, 2.1, 1.9, 2.0, 2.05)).label == "refuted"


def test_what_is_never_reached_counts_as_reached_with_the_last_step_and_no_effect_is_not_said_of_it():
    late = jumps(5000, 5000, 5000, 5000, 300)
    found = sooner(late, jumps(5000, 5000, 5000, 5000, 300), ASKED)
    assert found.num_censored == 8 and found.treatment == pytest.approx((4 * math.log2(800) + math.log2(300)) / 5, abs=0.15)
    assert judged(late, late).headline == "undecided: runs are censored"
    known = ramps(1.0, 1.1, 1.0, 0.9, 1.0)
    assert judged(known, known).label == "no effect"


def test_the_rule_says_so_where_a_comparison_asks_when():
    study = small_study()
    asking = Study.parse(study.to_dict() | {"comparisons": [ASKED.to_dict()]})
    assert "log2 of the steps" in asking.rule and "log2 of the steps" not in study.rule


def test_where_no_run_gets_there_nothing_is_said():
    never = jumps(*[5000] * 5)
    assert judged(never, never).headline == "undecided: no run says when"


def test_a_level_that_is_there_at_the_first_exam_is_a_bound_too():
    assert sooner(ramps(16.0), ramps(1.0), ASKED).num_censored == 1


def test_curves_are_those_of_runs_and_few_seeds_are_a_pilot(tmp_path: Path):
    """The skill of a stand-in grows over its exams to what it ends at."""
    good = [fake_run(tmp_path / f"g{s}", {"hour": 0.9, "minute": 0.9}, steps=(100, 200), seed=s, num=60) for s in range(2)]
    bad = [fake_run(tmp_path / f"b{s}", {"hour": 0.1, "minute": 0.1}, steps=(100, 200), seed=s, num=60) for s in range(2)]
    found = soonness(good, bad, ASKED)
    assert found.num_seeds == 2 and found.gain > 0 and found.num_censored >= 2
    assert soonness(good, bad, ASKED.with_changes({"primary": "drawing/hands/skill"})) is None


def test_a_trend_of_when_is_refused():
    study = small_study()
    arms = [{"name": name} for name in ("unified", "understanding", "drawing")]
    pairs = (("unified", "understanding"), ("unified", "drawing"), ("drawing", "understanding"))
    some = [ASKED.to_dict() | {"name": f"r{at}", "treatment": a, "control": b} for at, (a, b) in enumerate(pairs)]
    claim = {"name": "up", "sentence": "It rises.", "kind": "rises", "over": ["r0", "r1", "r2"]}
    values = {**study.to_dict(), "arms": arms, "comparisons": some, "claims": [claim]}
    with pytest.raises(ConfigError, match="take reaches out"):
        Study.parse(values | {"dial": {"name": "x", "at": {"r0": 1, "r1": 2, "r2": 3}}})


def test_exams_during_training_are_asked_for_when_it_is_planned():
    study = Study.parse(STUDIES.load("quickstart").to_dict() | {"base": "pico", "base_changes": {"train.threads": 1}})
    asked = [one.to_dict() | {"reaches": 0.5} for one in study.comparisons]
    with pytest.raises(ConfigError, match=r"train\.milestones is 0"):
        plan_of(Study.parse(study.to_dict() | {"comparisons": asked}))
    watched = {"train.threads": 1, "train.milestones": 4}
    with pytest.raises(ConfigError, match="num_drawings_between to 100"):
        plan_of(Study.parse(study.to_dict() | {"comparisons": asked, "base_changes": watched}))
    watched["exam.num_drawings_between"] = 100
    assert plan_of(Study.parse(study.to_dict() | {"comparisons": asked, "base_changes": watched})).steps["unified"] == 400
