"""An interval over seeds and pictures at once, where it can be said in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bothways.core.errors import DataError
from bothways.evaluate.crossed import crossed

DRAWS = np.random.default_rng(0)
SEEDS, PICTURES = 6, 40


def test_where_only_seeds_differ_it_is_students_interval_over_seeds():
    of_seed = DRAWS.standard_normal(SEEDS)
    found = crossed(np.repeat(of_seed[:, None], PICTURES, 1))
    expected = stats.t.interval(0.95, SEEDS - 1, of_seed.mean(), stats.sem(of_seed))
    np.testing.assert_allclose(found.interval(), expected)
    assert found.degrees == pytest.approx(SEEDS - 1) and found.seed_sd == pytest.approx(of_seed.std(ddof=1))


def test_where_only_pictures_differ_it_is_students_interval_over_pictures():
    of_picture = DRAWS.standard_normal(PICTURES)
    found = crossed(np.repeat(of_picture[None], SEEDS, 0))
    expected = stats.t.interval(0.95, PICTURES - 1, of_picture.mean(), stats.sem(of_picture))
    np.testing.assert_allclose(found.interval(), expected)
    assert found.picture_sd == pytest.approx(of_picture.std(ddof=1)) and found.seed_sd == 0


def test_the_three_parts_are_those_that_the_values_were_drawn_from():
    shape = (300, SEEDS, PICTURES)
    values = 0.3 * DRAWS.standard_normal((300, SEEDS, 1)) + 0.5 * DRAWS.standard_normal((300, 1, PICTURES))
    found = crossed(0.1 + values + 0.7 * DRAWS.standard_normal(shape))
    for name, true in (("seed_sd", 0.3), ("picture_sd", 0.5), ("residual_sd", 0.7)):
        assert np.sqrt((getattr(found, name) ** 2).mean()) == pytest.approx(true, rel=0.1)
    assert found.value.std() == pytest.approx(found.se.mean(), rel=0.15)
    low, high = found.interval(0.9)
    assert ((low < 0.1) & (high > 0.1)).mean() == pytest.approx(0.9, abs=0.05)


def test_the_mean_squares_are_those_of_a_two_way_table():
    values = DRAWS.standard_normal((3, 4)) + np.arange(4) + 2 * np.arange(3)[:, None]
    found = crossed(values)
    rows, columns, whole = values.mean(1), values.mean(0), values.mean()
    between = 4 * sum((row - whole) ** 2 for row in rows) / 2
    across = 3 * sum((column - whole) ** 2 for column in columns) / 3
    left = sum((values[s, p] - rows[s] - columns[p] + whole) ** 2 for s in range(3) for p in range(4)) / 6
    assert found.se**2 * 12 == pytest.approx(between + across - left)
    degrees = (between + across - left) ** 2 / (between**2 / 2 + across**2 / 3 + left**2 / 6)
    assert found.degrees == pytest.approx(degrees)


def test_equal_values_have_an_interval_of_no_length():
    assert crossed(np.full((3, 5), 0.25)).interval() == (0.25, 0.25)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1)])
def test_one_seed_or_one_picture_is_refused(shape):
    with pytest.raises(DataError, match="at least two of each"):
        crossed(np.zeros(shape))
