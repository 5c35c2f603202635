"""The study engine on studies whose truth is known. The whole table, of 2,000 studies a row, is in docs/science.md."""

from __future__ import annotations

import numpy as np
import pytest

from bothways.study.simulate import NUM_SEEDS, TRUTHS, power, simulate

ROWS = simulate(num_studies=600)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.truth}, {row.num_seeds} seeds")
def test_intervals_cover_and_verdicts_are_seldom_false(row):
    margin = 3 * np.sqrt(0.05 * 0.95 / 600)
    assert 0.92 - margin / 2 < row.covers < 0.99
    assert row.false_support <= 0.05 + margin
    assert abs(row.power - row.promised) < 0.1 and row.promised >= 0.8


def test_every_truth_is_tried_at_every_number_of_seeds():
    assert [(row.truth, row.num_seeds) for row in ROWS] == [(t.name, n) for t in TRUTHS for n in NUM_SEEDS]
    assert simulate(600) == ROWS


def test_what_decides_nothing_is_worse():
    """Seeds alone do not know which pictures were asked; the bootstrap does not know that five seeds are few."""
    worst = {name: min(getattr(row, name) for row in ROWS) for name in ("covers", "student", "bootstrap")}
    assert worst["student"] < 0.8 < worst["bootstrap"] < 0.9 < worst["covers"]


def test_power_is_that_of_a_simulated_mean():
    draws, degrees, se, effect = np.random.default_rng(0), 7, 0.04, 0.11
    means = effect + se * draws.standard_normal(200_000)
    estimated = se * np.sqrt(draws.chisquare(degrees, 200_000) / degrees)
    supported = (means >= 0.05) & (means > 2.364624 * estimated)
    assert power(effect, se, degrees) == pytest.approx(supported.mean(), abs=0.004)
