"""Means, clustered standard errors and intervals against closed forms and simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bothways.core.errors import DataError
from bothways.evaluate.statistics import (
    bootstrap,
    clustered_se,
    detectable,
    estimate,
    holm,
    jackknife,
    over_seeds,
    seeds_needed,
    student_p,
)


def test_with_one_answer_a_picture_the_clustered_error_is_the_usual_one():
    values = np.random.default_rng(0).normal(size=50)
    found = estimate(values, range(50))
    assert found.se == pytest.approx(values.std(ddof=1) / math.sqrt(50))
    assert found.low < found.value < found.high


def test_repeating_every_answer_four_times_does_not_shrink_the_error():
    values = np.random.default_rng(1).normal(size=40)
    repeated = np.repeat(values, 4)
    assert clustered_se(repeated, np.repeat(np.arange(40), 4)) == pytest.approx(clustered_se(values, range(40)))
    assert clustered_se(repeated, range(160)) < 0.6 * clustered_se(values, range(40))


def test_wilsons_interval_of_eight_in_ten_is_the_published_one():
    found = estimate([1] * 8 + [0] * 2, range(10), share=True)
    assert found.value == pytest.approx(0.8)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_a_perfect_share_still_leaves_room_below_and_never_leaves_the_unit_interval():
    found = estimate([1.0] * 100, range(100), share=True)
    assert found.high == 1.0
    assert found.low == pytest.approx(100 / (100 + 1.96**2), abs=1e-3)


def test_one_cluster_has_no_error_and_no_answers_are_refused():
    assert math.isnan(estimate([1.0, 2.0], ["a", "a"]).se)
    assert math.isnan(bootstrap([1.0, 2.0], ["a", "a"]).low)
    with pytest.raises(DataError, match="one cluster for each"):
        estimate([], [])


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(2)
    hits, num = 0, 300
    for trial in range(num):
        by_picture = generator.normal(0.3, 0.4, size=60)
        values = (by_picture[:, None] + generator.normal(0, 0.3, size=(60, 3))).ravel()
        found = bootstrap(values, np.repeat(np.arange(60), 3), seed=trial, num_resamples=400)
        hits += found.low <= 0.3 <= found.high
    # Binomial sd at 300 trials is 0.013; percentile intervals fall a little short of their level.
    assert 0.90 <= hits / num <= 0.98


def test_the_bootstrap_is_a_function_of_its_seed():
    values, clusters = np.arange(30.0), np.arange(30) // 2
    assert bootstrap(values, clusters, seed=3) == bootstrap(values, clusters, seed=3)
    assert bootstrap(values, clusters, seed=3).low != bootstrap(values, clusters, seed=4).low


def test_over_seeds_uses_students_interval():
    found = over_seeds([0.1, 0.2, 0.3])
    reach = 4.302653 * 0.1 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.2 - reach, 0.2 + reach), abs=1e-5)
    assert math.isnan(over_seeds([0.1]).low)


def test_the_seeds_needed_are_just_enough_to_detect_the_effect():
    num = seeds_needed(0.1, sd=0.1)
    assert 8 <= num <= 11
    assert detectable(0.1, num) <= 0.1 < detectable(0.1, num - 1)
    assert detectable(0.1, 1) == math.inf


def test_holms_p_values_are_those_of_a_case_worked_by_hand():
    # Sorted: 0.005 * 4 = 0.02, 0.01 * 3 = 0.03, 0.03 * 2 = 0.06, 0.04 * 1 = 0.04, which may not fall below 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.03]) == pytest.approx([0.7, 0.06]) and holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04] and holm([]) == []


def test_one_of_two_true_nulls_is_rejected_after_holm_in_one_study_of_twenty_and_without_it_in_two():
    p_values = np.random.default_rng(0).uniform(size=(4000, 2))
    rejected = np.mean([min(holm(pair)) < 0.05 for pair in p_values.tolist()])
    assert rejected == pytest.approx(0.05, abs=0.01) and np.mean(p_values.min(1) < 0.05) > 0.09


def test_students_p_is_the_tables():
    assert student_p(2.776, 4) == pytest.approx(0.05, abs=1e-4) == student_p(-2.776, 4)
    assert student_p(0.0, 3) == 1.0


def test_the_jackknife_of_a_mean_is_students_interval_over_seeds():
    values = [0.3, 0.1, 0.5, 0.2, 0.45]
    found, expected = jackknife(lambda seeds: float(np.mean([values[seed] for seed in seeds])), 5), over_seeds(values)
    assert (found.value, found.se, found.low, found.high) == pytest.approx(
        (expected.value, expected.se, expected.low, expected.high)
    )
    assert math.isnan(jackknife(lambda seeds: 1.0, 1).low)


def test_the_jackknife_of_a_ratio_covers_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(2), 0
    for _ in range(1000):
        over, under = rng.normal(2, 0.2, 8), rng.normal(4, 0.2, 8)
        found = jackknife(lambda seeds, over=over, under=under: over[seeds].mean() / under[seeds].mean(), 8)
        covered += found.low <= 0.5 <= found.high
    assert 0.92 <= covered / 1000 <= 0.98
