"""Exchange rates from curves whose rate is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from studies import fake_run

from bothways.study.exchange import Learning, learning, rate, steps_to, untold
from bothways.study.exchanges import between

STEPS = (100, 200, 300, 400)


def curve(slope: float, spread: tuple[float, ...] = (0.0,)) -> Learning:
    """Skill that grows with the step, by seed."""
    return Learning(STEPS, np.array([[(slope + more) * step / 1000 for step in STEPS] for more in spread]))


def test_a_curve_reaches_a_level_between_its_points_and_not_where_it_cannot_be_told():
    assert steps_to(STEPS, [0.1, 0.2, 0.4, 0.5], 0.3) == pytest.approx(250)
    assert steps_to(STEPS, [0.1, 0.2, 0.4, 0.5], 0.5) == pytest.approx(400)
    assert steps_to(STEPS, [0.1, 0.4, 0.2, 0.5], 0.3) == pytest.approx(100 + 200 / 3)
    assert math.isnan(steps_to(STEPS, [0.1, 0.2, 0.4, 0.5], 0.6))
    assert math.isnan(steps_to(STEPS, [0.3, 0.2, 0.4, 0.5], 0.2)), "before the first point nothing is known"


@pytest.mark.parametrize(("slope", "expected"), [(1.25, 0.25), (2.0, 1.0), (1.0, 0.0), (0.8, -0.2), (0.5, -0.5)])
def test_a_model_that_learns_as_if_it_had_a_quarter_more_samples_is_worth_a_quarter(slope: float, expected: float):
    assert rate(curve(1.0), curve(slope), 1.0).value == pytest.approx(expected)
    assert rate(curve(1.0), curve(slope), 3.0).value == pytest.approx(3 * expected), "a third as many of the other task"


def test_what_a_placebo_is_worth_is_taken_off():
    assert rate(curve(1.0), curve(2.0), 1.0, less=curve(1.25)).value == pytest.approx(0.75)
    assert rate(curve(1.0), curve(1.25), 1.0, less=curve(1.25)).value == pytest.approx(0.0)


def test_the_interval_is_over_seeds_and_there_is_none_with_one():
    one = rate(curve(1.0), curve(1.25), 1.0)
    assert (one.low, one.high) == (None, None)
    even = (0.0, 0.0, 0.0)
    wide = rate(curve(1.0, even), curve(1.25, (-0.2, 0.0, 0.2)), 1.0)
    narrow = rate(curve(1.0, even), curve(1.25, (-0.02, 0.0, 0.02)), 1.0)
    assert wide.low < narrow.low < 0.25 < narrow.high < wide.high


def test_no_rate_is_told_of_a_level_that_was_there_from_the_start():
    late = Learning(STEPS, np.array([[0.4, 0.4, 0.4, 0.4]]))
    assert rate(curve(1.0), late, 1.0) is None and rate(curve(1.0), curve(2.0), 1.0, less=late) is None


def test_why_two_curves_tell_nothing_is_said_of_the_arm_whose_fault_it_is():
    late = Learning(STEPS, np.array([[0.4, 0.4, 0.4, 0.4]]))
    assert untold({"one": curve(1.0), "other": curve(2.0)}, floor=0.05) == ""
    assert untold({"one": curve(1.0), "other": late}) == "`other` was there before its first exam"
    assert "`one` does not leave the floor" in untold({"one": curve(0.1), "other": curve(2.0)}, floor=0.05)
    assert "neither curve" in untold({"one": curve(0.1), "other": curve(0.1)}, floor=0.05)
    assert untold({"one": curve(0.1), "other": curve(0.12)}) == "", "nats have no floor"


def test_less_the_placebos_is_taken_of_the_placebo_that_ends_highest():
    arms = {"alone": curve(1.0), "both": curve(2.0), "weak": curve(1.1), "strong": curve(1.25)}
    found = between(arms, "hour", "reading/hour/skill", 0.05, 1.0)
    assert found.placebo == "strong" and found.rate.value == pytest.approx(1.0)
    assert found.beyond_placebo.value == pytest.approx(0.75) and found.missing == ""
    lost = between(arms | {"strong": Learning(STEPS, np.full((1, 4), 0.9))}, "hour", "reading/hour/skill", 0.05, 1.0)
    assert lost.rate.value == pytest.approx(1.0) and lost.beyond_placebo is None and "`strong`" in lost.missing


def test_curves_come_from_the_exams_of_a_run_and_likelihoods_grow_as_they_fall(tmp_path):
    run = fake_run(tmp_path / "run", {"hour": 0.6, "minute": 0.6}, steps=(100, 200), num=20)
    skill, nats = learning([run], "reading/hands/skill"), learning([run], "nll/answers/nats")
    assert skill.steps == nats.steps == (100, 200, 400)
    assert (np.diff(skill.values) > 0).all() and (nats.values < 0).all()
    assert learning([run], "drawing/hands/skill") is None, "nothing is drawn at checkpoints"
