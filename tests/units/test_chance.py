"""What can be had without looking."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from bothways.evaluate.chance import best_caption, best_constant, best_cosine, best_joint, candidates
from bothways.evaluate.metrics import Scale, exact, graded

BATTERY, HOUR, TIME = Scale(kind="share"), Scale(kind="hand", period=12), Scale(kind="time")


def test_p1s_battery_is_worth_three_quarters_to_the_constant_and_two_thirds_to_the_guess():
    truths = list(range(101))
    found = best_constant(truths, lambda a, b: graded(a, b, BATTERY), candidates(truths, BATTERY))
    assert found.answer == 50
    assert found.best == pytest.approx(0.7475, abs=1e-3)
    assert found.guess == pytest.approx(0.663, abs=2e-3)


def test_under_exact_accuracy_the_best_constant_is_the_commonest_answer():
    truths = ["sunny"] * 5 + ["cloudy"] * 3 + ["raining"] * 2
    found = best_constant(truths, exact, candidates(truths, Scale()))
    assert (found.answer, found.best) == ("sunny", 0.5)
    assert found.guess == pytest.approx(1 / 3)


def test_the_graded_score_of_a_uniform_hand_is_half_for_any_constant():
    truths = list(range(12)) * 3
    found = best_constant(truths, lambda a, b: graded(a, b, HOUR), candidates(truths, HOUR))
    assert found.best == pytest.approx(0.5) == found.guess


def _times(num: int, seed: int) -> list[str]:
    parts = [np.random.default_rng([seed, period]).integers(0, period, num) for period in (12, 60, 60)]
    return [f"{hour:02d}:{minute:02d}:{second:02d}" for hour, minute, second in zip(*parts, strict=True)]


def test_no_time_that_can_be_told_beats_the_best_constant_time():
    truths = _times(40, seed=0)
    score = partial(graded, scale=TIME)
    found = best_constant(truths, score, candidates(truths, TIME))
    assert found.best >= best_constant(truths, score, _times(300, seed=1)).best


def test_the_best_fixed_direction_is_the_mean_direction():
    assert best_cosine([3, 3, 3], HOUR).best == pytest.approx(1.0)
    assert best_cosine([0, 6], HOUR).best == pytest.approx(0.0)
    assert best_cosine([0, 3], HOUR).answer == pytest.approx(45.0)


def test_the_best_joint_constant_takes_one_value_for_each_attribute():
    truths = [{"weather": "sunny", "corner": "a"}] * 3 + [{"weather": "sunny", "corner": "b"}] * 2 + [{"weather": "rain"}] * 4
    found = best_joint(truths)
    assert found.answer["weather"] == "rain"
    assert found.best == pytest.approx(4 / 9)


def test_the_best_blind_caption_states_what_is_often_true():
    facts = [{"weather": "sunny", "hour": hour} for hour in range(10)]
    found = best_caption(facts, facts)
    # Stating the weather alone: precision 1, recall 1/2. Adding an hour: 0.55 and 0.55.
    assert found.best == pytest.approx(2 / 3)
    assert found.answer == ("weather",)
