"""When a difference counts, and what few seeds cannot say."""

from __future__ import annotations

import pytest
import yaml
from studies import fake_run, small_study

from bothways.study.compare import Difference, SeedDifference, Spread
from bothways.study.scope import scope_of
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
        spread=None if seeds == 1 else spread(value, reach),
    )


def spread(value: float, reach: float) -> Spread:
    """As where the interval's degrees of freedom are many: the 90 % interval is 0.84 as long."""
    return Spread(
        seed_sd=0.1,
        picture_sd=0.3,
        residual_sd=0.4,
        degrees=100,
        low_90=value - 0.84 * reach,
        high_90=value + 0.84 * reach,
        low_over_seeds=value - reach,
        high_over_seeds=value + reach,
    )


@pytest.mark.parametrize(
    ("value", "reach", "label"),
    [
        (0.10, 0.03, "supported"),
        (0.06, 0.05, "supported"),
        (0.00, 0.03, "no effect"),
        (0.03, 0.01, "no effect"),
        (-0.03, 0.01, "no effect"),
        (-0.2, 0.10, "refuted"),
        (0.00, 0.07, "undecided"),
        (0.10, 0.20, "undecided"),
        (0.04, 0.03, "undecided"),
    ],
)
def test_with_enough_seeds_the_rule_decides(value, reach, label):
    found = verdict(STUDY, READING, difference(value, reach))
    assert found.label == label
    assert ("seeds" in found.cannot_say) == (label == "undecided"), "how many seeds would decide is told where they would"


def test_a_measure_that_is_better_when_lower_is_judged_the_other_way_round():
    turned = difference(-0.10, 0.03).model_copy(update={"higher_is_better": False})
    assert verdict(STUDY, READING, turned).label == "supported"


def test_where_pictures_are_too_few_no_number_of_seeds_is_enough_and_it_says_so():
    wide = difference(0.0, 0.2)
    few = wide.model_copy(update={"spread": spread(0.0, 0.2).model_copy(update={"picture_sd": 1.0})})
    assert "more pictures" in verdict(STUDY, READING, few).cannot_say
    assert "more pictures" not in verdict(STUDY, READING, wide).cannot_say


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
    assert (found.label, found.headline) == ("pilot", "a pilot saw a difference")
    assert verdict(STUDY, READING, difference(0.2, 0.3, seeds=3)).label == "undecided"
    assert "3 seeds would show a true difference of" in found.cannot_say


def test_at_the_floor_and_at_the_ceiling_nothing_is_decided():
    assert verdict(STUDY, READING, difference(0.01, 0.001, control=0.0)).headline == "undecided: nothing learned yet"
    assert verdict(STUDY, READING, difference(0.01, 0.001, control=0.98)).headline == "undecided: no room left"


def test_the_sentence_names_size_pool_samples_and_horizon_of_the_treatment(tmp_path):
    fake_run(tmp_path, {}, num=4)
    assert scope_of(tmp_path) == "400 steps, 35,200 samples, fresh pictures"
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    config["data"]["sources"]["watch/vqa"]["num_pictures"] = 12_000
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "ledger.json").write_text('{"parameters": 1000000}')
    scope = scope_of(tmp_path)
    assert scope == "1,000,000 trained weights, 400 steps, 35,200 samples, pools of 12,000 pictures and fresh pictures"
    assert verdict(STUDY, READING, difference(0.1, 0.03), scope).sentence.endswith(f"All this at {scope}.")
    assert scope_of(tmp_path / "nothing") == "" and "All this" not in verdict(STUDY, READING, difference(0.1, 0.03)).sentence


def test_a_measure_that_is_missing_is_said_to_be_missing():
    found = verdict(STUDY, READING, None)
    assert (found.label, found.direction) == ("undecided", "unknown")
    assert "was not measured" in found.sentence
