"""When a difference counts, and what few seeds cannot say."""

from __future__ import annotations

import pytest
from studies import small_study

from bothways.study.compare import Difference, SeedDifference
from bothways.study.verdict import verdict

STUDY = small_study()
READING = STUDY.comparisons[0]


def difference(value: float, reach: float, seeds: int = 5, control: float = 0.5) -> Difference:
    return Difference(
        measure="reading/hands/skill",
        unit="skill",
        treatment=control + value,
        control=control,
        value=value,
        low=value - reach,
        high=value + reach,
        method="",
        n=1000,
        num_pictures=500,
        num_seeds=seeds,
        per_seed=(SeedDifference(value=value, low=value - reach, high=value + reach),) * seeds,
        higher_is_better=True,
    )


@pytest.mark.parametrize(
    ("value", "reach", "label"),
    [
        (0.10, 0.03, "supported"),
        (0.06, 0.05, "supported"),
        (0.00, 0.03, "refuted"),
        (-0.2, 0.10, "refuted"),
        (0.03, 0.01, "refuted"),
        (0.10, 0.20, "undecided"),
        (0.04, 0.03, "undecided"),
    ],
)
def test_with_enough_seeds_the_rule_decides(value, reach, label):
    found = verdict(STUDY, READING, difference(value, reach))
    assert found.label == label
    assert found.cannot_say == ""


def test_one_seed_never_decides_but_says_what_was_seen_and_what_it_leaves_open():
    found = verdict(STUDY, READING, difference(0.2, 0.01, seeds=1))
    assert (found.label, found.headline, found.direction) == ("undecided", "undecided at this budget", "ahead")
    assert "unified was ahead" in found.sentence and "+0.200" in found.sentence
    assert "standard deviation of about 0.1 (pilot, 5 seeds)" in found.cannot_say
    assert "more than luck alone" in found.cannot_say
    assert "less than what luck alone" in verdict(STUDY, READING, difference(0.05, 0.01, seeds=1)).cannot_say
    assert verdict(STUDY, READING, difference(-0.2, 0.01, seeds=1)).direction == "behind"
    assert verdict(STUDY, READING, difference(0.01, 0.02, seeds=1)).direction == "level"


def test_three_seeds_are_still_too_few_and_say_what_they_could_show():
    found = verdict(STUDY, READING, difference(0.2, 0.01, seeds=3))
    assert found.label == "undecided"
    assert "3 seeds would show a true difference of" in found.cannot_say


def test_at_the_floor_and_at_the_ceiling_nothing_is_decided():
    assert verdict(STUDY, READING, difference(0.01, 0.001, control=0.0)).headline == "undecided: nothing learned yet"
    assert verdict(STUDY, READING, difference(0.01, 0.001, control=0.98)).headline == "undecided: no room left"


def test_a_measure_that_is_missing_is_said_to_be_missing():
    found = verdict(STUDY, READING, None)
    assert (found.label, found.direction) == ("undecided", "unknown")
    assert "was not measured" in found.sentence
