"""Paired differences between arms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from studies import fake_run

from bothways.core.errors import ConfigError, DataError, RunError
from bothways.evaluate.crossed import crossed
from bothways.evaluate.scores import read_items
from bothways.evaluate.statistics import student_p
from bothways.study.compare import compare


def test_an_arm_compared_with_itself_differs_by_nothing(tmp_path):
    run = fake_run(tmp_path / "a", {"hour": 0.6})
    for difference in compare([run], [run]).values():
        assert (difference.value, difference.low, difference.high) == (0.0, 0.0, 0.0)


def test_the_difference_is_that_of_the_scores_and_its_interval_is_paired(tmp_path):
    better = fake_run(tmp_path / "a", {"hour": 0.9, "minute": 0.8})
    worse = fake_run(tmp_path / "b", {"hour": 0.4, "minute": 0.3})
    difference = compare([better], [worse])["reading/hour/accuracy"]
    assert difference.value == pytest.approx(difference.treatment - difference.control)
    assert 0 < difference.low < difference.value < difference.high
    one, other = (read_items(run)["reading/hour/accuracy"].values for run in (better, worse))
    # The students share their draws, so pairing narrows the interval below that of two independent samples.
    independent = 2 * 1.96 * np.sqrt(one.var() / len(one) + other.var() / len(other))
    assert difference.high - difference.low < independent


def test_only_measures_that_both_arms_have_are_compared(tmp_path):
    unified = fake_run(tmp_path / "u", {})
    reader = fake_run(tmp_path / "r", {}, arm="understanding")
    found = compare([unified], [reader])
    assert "reading/hands/skill" in found
    assert not any(name.startswith("drawing") for name in found)


def test_seeds_are_paired_and_the_interval_is_over_seeds_and_pictures(tmp_path):
    gains = (0.1, 0.2, 0.3)
    better = [fake_run(tmp_path / f"a{s}", {"hour": 0.5 + gain}, seed=s) for s, gain in enumerate(gains)]
    worse = [fake_run(tmp_path / f"b{s}", {"hour": 0.5}, seed=s) for s in range(3)]
    difference = compare(better, worse)["reading/hour/skill"]
    each = [one.value for one in difference.per_seed]
    assert difference.num_seeds == 3
    assert difference.value == pytest.approx(np.mean(each))
    of_seeds = 4.302653 * np.std(each, ddof=1) / np.sqrt(3)
    assert difference.spread.high_over_seeds - difference.value == pytest.approx(of_seeds, rel=1e-4)
    pairs = [[read_items(run)["reading/hour/skill"] for run in pair] for pair in zip(better, worse, strict=True)]
    whole = crossed(np.stack([one.values - other.values for one, other in pairs]))
    assert len(set(pairs[0][0].pictures)) == len(pairs[0][0].values), "a question a picture, so a value a picture"
    assert (difference.low, difference.high) == pytest.approx(whole.interval())
    assert difference.spread.degrees == pytest.approx(whole.degrees)
    assert difference.p_value == pytest.approx(student_p(whole.value / whole.se, whole.degrees))
    assert (difference.p_value < 0.05) == (difference.low > 0) and compare(better[:1], worse[:1])[
        "reading/hour/skill"
    ].p_value is None
    with pytest.raises(ConfigError, match="pair runs of the same seed"):
        compare(better, [worse[1], worse[0], worse[2]])
    with pytest.raises(ConfigError, match="one of each arm a seed"):
        compare(better, worse[:2])


def test_pictures_asked_about_unequally_often_count_by_their_questions(tmp_path):
    better = [fake_run(tmp_path / f"a{s}", {"hour": 0.9}, seed=s) for s in range(3)]
    worse = [fake_run(tmp_path / f"b{s}", {"hour": 0.4}, seed=s) for s in range(3)]
    for run in (*better, *worse):  # the first picture is asked about twice
        path = run / "answers" / "final" / "items.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for one in lines:
            for name, added in (("ids", "again"), ("pictures", one["pictures"][0]), ("values", one["values"][0])):
                one[name].append(added)
        path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    for name, found in compare(better, worse).items():
        items = [[read_items(run)[name].values for run in pair] for pair in zip(better, worse, strict=True)]
        assert found.value == pytest.approx(np.mean([one - other for one, other in items])), name
        assert found.low <= found.value <= found.high


def test_different_exams_and_unmarked_runs_are_refused(tmp_path):
    small, large = fake_run(tmp_path / "a", {}, num=20), fake_run(tmp_path / "b", {}, num=30)
    with pytest.raises(DataError, match="sat different exams"):
        compare([small], [large])
    (small / "scores.json").unlink()
    with pytest.raises(RunError, match="bothways mark"):
        compare([small], [large])


def test_where_lower_is_better_the_gain_has_the_other_sign(tmp_path):
    better, worse = fake_run(tmp_path / "a", {"hour": 0.9}), fake_run(tmp_path / "b", {"hour": 0.3})
    difference = compare([better], [worse])["drawing/hour/degrees"]
    assert difference.value < 0 < difference.gain
