"""Arms resolved, compared, and refused where they differ in what nobody declared."""

from __future__ import annotations

import subprocess
import sys

import pytest
from studies import small_recipe, small_study

from bothways.core.errors import ConfigError
from bothways.study.plan import plan
from bothways.study.study import Arm


def test_arms_differ_in_the_declared_axis_alone_and_own_task_samples_match():
    found = plan(small_study(), small_recipe())
    assert {difference.key for difference in found.differences} == {
        "data.sources.watch/vqa.samples_per_step",
        "data.sources.watch/draw.samples_per_step",
    }
    assert found.samples["watch/vqa"] == {"understanding": 48 * 400, "drawing": 0, "unified": 48 * 400}
    assert found.samples["watch/draw"] == {"understanding": 0, "drawing": 40 * 400, "unified": 40 * 400}
    assert set(found.steps.values()) == {400}


def test_an_undeclared_difference_is_refused_by_name():
    arms = list(small_study().arms)
    arms[2] = Arm(name="unified", changes={"train.lr": 0.01})
    with pytest.raises(ConfigError, match=r"differ in `train.lr` .*not on its axis"):
        plan(small_study(arms=tuple(arms)), small_recipe())
    plan(small_study(arms=tuple(arms), axis=("data.sources", "train.lr")), small_recipe())


def test_unmatched_own_task_samples_are_refused():
    arms = list(small_study().arms)
    arms[2] = Arm(name="unified", changes={"data.sources.watch/vqa.samples_per_step": 24})
    with pytest.raises(ConfigError, match="unified takes 24 samples of watch/vqa a step and understanding 48"):
        plan(small_study(arms=tuple(arms)), small_recipe())
    arms[2] = Arm(name="unified", changes={"train.steps": 100})
    with pytest.raises(ConfigError, match="need equal steps"):
        plan(small_study(arms=tuple(arms), axis=("data.sources", "train.steps")), small_recipe())


def test_a_seed_reaches_every_arm_alike():
    found = plan(small_study(seeds=(3, 4)), small_recipe())
    for by_seed in found.configs.values():
        assert [config.model.seed for config in by_seed.values()] == [3, 4]
        assert [config.data.seed for config in by_seed.values()] == [3, 4]


def test_a_gate_cannot_be_the_primary_measure():
    reading, drawing = small_study().comparisons
    gate = reading.with_changes({"primary": "reading/weather_corner/skill"})
    with pytest.raises(ConfigError, match="is a gate"):
        small_study(comparisons=(gate, drawing))


def test_an_arm_or_key_that_does_not_exist_is_named():
    with pytest.raises(ConfigError, match="Did you mean `unified`"):
        small_study(comparisons=(small_study().comparisons[0].with_changes({"treatment": "unifed"}),))
    with pytest.raises(ConfigError, match="Did you mean `steps`"):
        plan(small_study(base_changes={"train.stepps": 3}), small_recipe())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"primary": "reading/hands"}, "`primary` is 'reading/hands'"),
        ({"minimum_effect": 0}, "`minimum_effect` is 0: .*greater than 0"),
        ({"minimum_effect": -0.1}, "greater than 0"),
        ({"seed_sd": -1}, "`seed_sd` is -1"),
    ],
)
def test_a_comparison_that_could_decide_nothing_is_refused(changes: dict, sentence: str):
    with pytest.raises(ConfigError, match=sentence):
        small_study().comparisons[0].with_changes(changes)


def test_comparisons_have_names_of_their_own_and_two_arms_that_sit_the_exam():
    reading, drawing = small_study().comparisons
    itself = reading.with_changes({"treatment": reading.control})
    unexamined = drawing.with_changes({"control": "understanding"})
    for comparisons, sentence in (
        ((), "give one or more"),
        ((reading, drawing.with_changes({"name": reading.name})), "each its own name"),
        ((itself, drawing), "in both places; name two arms"),
        ((reading, unexamined), "`understanding` sits no exam of that; set its `draws` to true"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            small_study(comparisons=comparisons)


def test_seeds_are_counted_from_zero_and_arms_have_names_that_folders_can_have():
    with pytest.raises(ConfigError, match="the seed -1; seeds are counted from 0"):
        small_study(seeds=(-1, 0))
    for name in ("", "a/b"):
        with pytest.raises(ConfigError, match="`name` is"):
            Arm.parse({"name": name})


def test_planning_imports_neither_torch_nor_transformers():
    code = "import sys, bothways.study.plan; print([m for m in ('torch', 'transformers') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
