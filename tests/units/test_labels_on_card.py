"""Labels saved, from curves whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from bothways.study.labels import saved

ALONE = {16: 0.2, 64: 0.4, 256: 0.6}  # 0.1 for a doubling


def by_seed(values: dict[int, float], luck: tuple[float, ...] = (0.0, 0.0, 0.0)) -> dict[int, np.ndarray]:
    return {num: value + np.array(luck) for num, value in values.items()}


def told(both: float, labels: int = 16, luck: tuple[float, ...] = (0.0, 0.0, 0.0)):
    return saved(by_seed(ALONE), by_seed({labels: both}, luck), labels, floor=0.05)


@pytest.mark.parametrize(("both", "expected"), [(0.3, 32 - 16), (0.4, 64 - 16), (0.5, 128 - 16), (0.6, 256 - 16)])
def test_labels_saved_are_those_that_reading_alone_needs_for_the_same_skill_less_those_it_took(both, expected):
    found = told(both)
    assert found.saved.value == pytest.approx(expected) and found.missing == "" and found.both == pytest.approx(both)
    assert found.saved.low == pytest.approx(expected) and found.alone == pytest.approx(0.2)


def test_where_drawing_costs_labels_fewer_than_none_are_saved():
    assert told(0.3, labels=64).saved.value == pytest.approx(32 - 64)


def test_the_interval_is_over_seeds_and_holds_the_value():
    wide, narrow = (told(0.45, luck=(-luck, 0.0, luck)).saved for luck in (0.1, 0.01))
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high
    assert narrow.value == pytest.approx(wide.value, rel=0.1)


@pytest.mark.parametrize(
    ("both", "reason"),
    [(0.02, "does not leave the floor"), (0.1, "as good with 16"), (0.7, "does not come so far with 256")],
)
def test_beyond_the_curve_of_reading_alone_nothing_is_told_but_why(both, reason):
    found = told(both)
    assert found.saved is None and reason in found.missing


def test_a_seed_without_which_the_curves_do_not_tell_leaves_the_value_and_takes_the_interval():
    found = told(0.59, luck=(-0.2, 0.1, 0.1))
    assert found.saved is not None and found.saved.low is None and found.saved.high is None
