"""Budgets: an arm that does not spend what its study matches is refused, and told how it would."""

from __future__ import annotations

from typing import Any

import pytest
from studies import small_study

import unified_training
from bothways.core.errors import ConfigError
from bothways.recipes.recipe import Recipe
from bothways.study.budget import TOLERANCE, amount, samples_to_meet, steps_to_meet
from bothways.study.ledger import ArmLedger, Ledger, added
from bothways.study.ledger_table import ledger_rows
from bothways.study.plan import plan
from bothways.study.study import BUDGETS, Arm, Study

SPENT = BUDGETS[1:]
READS = {"data.sources.watch/draw.samples_per_step": 0}
DRAWS = {"data.sources.watch/vqa.samples_per_step": 0, "data.sources.watch/caption.samples_per_step": 0}


def study(matching: str, reading: dict[str, Any] | None = None, drawing: dict[str, Any] | None = None) -> Study:
    """The three arms, each single-task arm with changes of its own beside its task."""
    return small_study(
        matching=matching,
        axis=("data.sources", "train.steps"),
        arms=(
            Arm(name="understanding", changes=READS | (reading or {}), draws=False),
            Arm(name="drawing", changes=DRAWS | (drawing or {}), reads=False),
            Arm(name="unified"),
        ),
    )


def alone(task: dict[str, Any]) -> Recipe:
    return unified_training.recipe().with_changes(task)


@pytest.mark.parametrize("budget", SPENT)
def test_an_arm_that_spends_less_than_the_study_matches_is_refused_with_the_steps_that_it_needs(budget: str):
    with pytest.raises(ConfigError, match=rf"unified spends .* {budget} and understanding .*give understanding train\.steps="):
        plan(study(budget), unified_training.recipe())


@pytest.mark.parametrize("budget", SPENT)
def test_arms_that_were_made_to_meet_a_budget_pass(budget: str):
    whole = unified_training.recipe(train__steps=400)
    target = amount(whole, budget)
    changes = [steps_to_meet(whole.with_changes(task), budget, target) for task in (READS, DRAWS)]
    planned = plan(study(budget, *changes), whole)
    spent = [amount(by_seed[0], budget) for by_seed in planned.configs.values()]
    assert max(spent) / min(spent) < (1 + TOLERANCE) ** 2
    assert all(change["train.steps"] > 400 for change in changes)


def test_equal_operations_in_as_many_steps_of_more_samples_keep_the_mixture():
    whole = unified_training.recipe(data__sources={name: {"samples_per_step": 40} for name in ("watch/vqa", "watch/draw")})
    target = amount(whole, "FLOPs")
    changes = samples_to_meet(whole.with_changes(READS), "FLOPs", target)
    vqa, caption = (changes[f"data.sources.watch/{name}.samples_per_step"] for name in ("vqa", "caption"))
    assert vqa > 60 and vqa / caption == pytest.approx(40, rel=0.5)
    assert amount(whole.with_changes(READS | changes), "FLOPs") == pytest.approx(target, rel=TOLERANCE)


def test_a_budget_that_no_whole_number_meets_is_refused():
    one_step = alone(READS).with_changes({"train.steps": 2})
    target = 1.4 * amount(one_step, "tokens")
    with pytest.raises(ConfigError, match=r"cannot spend .* tokens by whole numbers of train\.steps: the nearest is"):
        steps_to_meet(one_step, "tokens", target)
    single = alone(READS | {"data.sources.watch/vqa.samples_per_step": 0})
    with pytest.raises(ConfigError, match=r"whole numbers of data\.sources\.\*\.samples_per_step"):
        samples_to_meet(single, "tokens", 1.4 * amount(single, "tokens"))


def test_pairs_cannot_be_met_by_an_arm_of_text_alone():
    text = DRAWS | {"data.sources.watch/draw.samples_per_step": 0, "data.sources.watch/text": {"samples_per_step": 4}}
    arms = (Arm(name="understanding", changes=READS), Arm(name="drawing", changes=text), Arm(name="unified"))
    mute = study("image-text pairs").with_changes({"arms": [arm.to_dict() for arm in arms]})
    mute = mute.with_changes({"comparisons": [mute.comparisons[1].to_dict()]})
    with pytest.raises(ConfigError, match=r"drawing 0, .*no whole number of steps makes drawing meet it"):
        plan(mute, unified_training.recipe())


def test_own_task_samples_and_no_matching_need_no_layout():
    planned = plan(study("own-task samples"), unified_training.recipe())
    assert planned.steps == dict.fromkeys(("understanding", "drawing", "unified"), unified_training.STEPS)
    plan(study("none", {"train.steps": 5}), unified_training.recipe())


def test_an_unknown_budget_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"`matching` is 'joules'"):
        study("joules")


def test_pairs_tokens_and_operations_of_a_mixture_are_the_sum_of_its_tasks():
    for budget in SPENT:
        both = amount(unified_training.recipe(), budget)
        assert amount(alone(READS), budget) + amount(alone(DRAWS), budget) == pytest.approx(both, rel=1e-6)


@pytest.mark.parametrize(("budget", "row"), zip(BUDGETS, ("steps", *SPENT[:2], "FLOPs of training"), strict=True))
def test_a_report_shows_every_budget_and_marks_the_one_that_was_matched(budget: str, row: str):
    arm = ArmLedger(steps=5, samples=40, pairs=40, images=41, tokens=4000, parts={"backbone": {"forward": 7e9}})
    rows = {one.name: one for one in ledger_rows(study(budget), Ledger(arms={"unified": arm, "drawing": arm}), None)}
    assert {"steps", "samples", "image-text pairs", "images", "tokens", "FLOPs of training"} <= set(rows)
    assert [name for name, one in rows.items() if one.matched] == [row] and "matched" in rows[row].note
    assert rows["tokens"].values == ("–", "4,000", "4,000") and rows["FLOPs of training"].values[1] == "7.0 × 10⁹"


def test_ledgers_of_runs_add_up_part_by_part():
    one = {
        "seconds": {"train": 2.0},
        "parameters": 10,
        "steps": 3,
        "tokens": 7,
        "sources": {"watch/vqa": {"samples": 3, "pairs": 3, "images": 3, "tokens": 7, "flops": 5.0}},
        "parts": {"backbone": {"forward": 2.0, "through": 1.0}},
        "encoding": {"pictures": 4, "flops": 8.0, "flops_without_cache": 9.0},
    }
    both = added([ArmLedger.parse(one), ArmLedger.parse(one | {"parts": {"attention": {"frozen": 1.5}}})])
    assert (both.parameters, both.steps, both.tokens, both.samples) == (10, 6, 14, None)
    assert both.sources["watch/vqa"].flops == 10.0 and both.encoding.pictures == 8 and both.flops == 4.5
    assert added([ArmLedger(steps=3, tokens=7)]).flops is None, "a run from before operations were counted"
