"""What an answer is worth."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from bothways.core.errors import DataError
from bothways.evaluate.exam import SCALES
from bothways.evaluate.metrics import Scale, cosine, degrees_off, entropy, exact, f1, graded, points_off, skill
from bothways.worlds.watch.config import WatchConfig

HOUR, MINUTE = Scale(kind="hand", period=12), Scale(kind="hand", period=60)
BATTERY, TIME = Scale(kind="share"), Scale(kind="time")


def test_a_hand_is_compared_around_the_circle():
    assert degrees_off(11, 1, HOUR) == 60.0
    assert degrees_off(58, 3, MINUTE) == 30.0
    assert exact(12, 0, HOUR) == 1.0
    assert cosine(3, 0, HOUR) == pytest.approx(0.0)
    assert cosine(6, 0, HOUR) == pytest.approx(-1.0)


def test_nothing_found_counts_as_wrong_everywhere():
    assert exact(None, 3, HOUR) == graded(None, 3, HOUR) == cosine(None, 3, HOUR) == 0.0
    assert degrees_off(None, 3, HOUR) == 90.0
    assert points_off(None, 3) == 50.0


def test_the_graded_score_is_p1s():
    assert graded(9, 0, HOUR) == pytest.approx(1 - 3 / 6)
    assert graded(45, 0, MINUTE) == pytest.approx(1 - 15 / 30)
    assert graded(50, 80, BATTERY) == pytest.approx(0.7)
    assert graded("sunny", "cloudy") == 0.0
    assert graded("09:45:00", "00:00:00", TIME) == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_the_entropy_of_a_uniform_answer_is_found_from_few_counts():
    assert entropy(["a"] * 50) == 0.0
    values = np.random.default_rng(0).integers(0, 12, size=300).tolist()
    assert entropy(values) == pytest.approx(math.log(12), abs=0.02)
    with pytest.raises(DataError):
        entropy([])


def test_skill_is_zero_at_chance_one_at_the_ceiling_and_unknown_where_they_meet():
    assert skill(0.25, 0.25, 0.9) == 0.0
    assert skill(0.9, 0.25, 0.9) == 1.0
    assert skill(60.0, 90.0, 0.0, higher_is_better=False) == pytest.approx(1 / 3)
    assert skill(0.5, 0.5, 0.5) is None
    assert skill(0.0, 0.2, 0.0) is None


def test_f1_of_nothing_is_zero():
    assert f1(0.0, 0.0) == 0.0
    assert f1(0.5, 1.0) == pytest.approx(2 / 3)


def test_the_graded_score_agrees_with_the_watch_worlds_own():
    world = WatchConfig().build()
    scenes = [world.scene("test", index) for index in range(12)]
    for attribute in ("hour", "minute", "second", "battery", "weather", "weather_corner", "time", "minutes_to_hour"):
        scale = SCALES.get(attribute, Scale())
        for scene, other in itertools.product(scenes, scenes):
            text, truth = world.answer(other, attribute), world.understand(attribute, world.answer(scene, attribute))
            ours = graded(world.understand(attribute, text), truth, scale)
            assert ours == pytest.approx(world.grade(attribute, text, scene)), (attribute, text)
