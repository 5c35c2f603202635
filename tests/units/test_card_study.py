"""The study behind a card: the short ladder, arms with exchanged names and fewer labels, and curves where a recipe has none."""

from __future__ import annotations

import pytest

from bothways.core.errors import ConfigError
from bothways.studies.ladder import ladder
from bothways.studies.synergy import synergy
from bothways.study.card_arms import UNIFIED, at_labels, swap_of
from bothways.study.plan import plan_of

CURVES = {"train.milestones", "train.shares_every_steps", "exam.num_pictures_between", "exam.num_drawings_between"}


def test_it_is_the_short_ladder_with_the_curves_that_a_recipe_lacks_and_an_arm_a_direction_with_exchanged_names():
    study, short = synergy("pico"), ladder("pico", short=True)
    assert study.comparisons == short.comparisons and study.arms[: len(short.arms)] == short.arms
    assert [arm.name for arm in study.arms[len(short.arms) :]] == [swap_of("reading"), swap_of("drawing")]
    assert study.base_changes.keys() - short.base_changes.keys() == CURVES
    config = plan_of(study).configs[UNIFIED][0]
    assert config.train.milestone_steps == tuple(range(50, 400, 50)) and config.train.shares_every_steps == 20
    assert config.exam.num_drawings_between == config.exam.num_pictures_between == 100


def test_what_the_recipe_or_the_caller_says_of_curves_stays():
    changes = {"train.milestones": 0, "exam.num_drawings_between": 0, "train.shares_every_steps": 7}
    set_by_both = synergy("pico", changes=changes).base_changes
    assert {key: set_by_both[key] for key in changes} == changes
    assert "train.milestones" not in synergy("vq-vq").base_changes, "the recipe has five"


def test_in_a_swap_arm_one_task_misnames_what_the_other_never_names_and_text_alone_teaches_the_words():
    planned = plan_of(synergy("pico"))
    unified = planned.configs[UNIFIED][0]
    for skill, hidden, wrong in (("reading", "understanding", "drawing"), ("drawing", "drawing", "understanding")):
        arm = planned.configs[swap_of(skill)][0]
        assert (arm.world.hide.task, arm.world.made_up_names.wrong_in) == (hidden, wrong)
        own = {name: source.samples_per_step for name, source in unified.data.sources.items()}
        words = {name: source.samples_per_step for name, source in arm.data.sources.items() if name not in own}
        assert words == {"watch/text/words": 14 // 4} and arm.train.weights["watch/text/words:text"] == 0.2
        assert arm.model == unified.model and arm.exam == unified.exam


def test_a_world_without_names_to_exchange_has_no_swap_arms():
    assert [arm.name for arm in synergy("vq-vq", "shapes").arms] == [
        arm.name for arm in ladder("vq-vq", "shapes", short=True).arms
    ]


def test_fewer_labels_are_smaller_pools_of_all_that_is_read_and_of_nothing_else():
    planned = plan_of(synergy("pico", labels=[100, 50]))
    assert [c.name for c in planned.study.comparisons][-2:] == ["reading-labels-50", "reading-labels-100"]
    for num in (50, 100):
        for name, whole in zip(at_labels(num), ("reading-alone", UNIFIED), strict=True):
            arm, before = planned.configs[name][0].to_dict(), planned.configs[whole][0].to_dict()
            for source in ("watch/vqa", "watch/caption"):
                assert arm["data"]["sources"][source].pop("num_pictures") == num
                assert before["data"]["sources"][source].pop("num_pictures") == 200
            assert arm == before


@pytest.mark.parametrize("labels", [[1], [200], [64, 64], [64, 5000]])
def test_labels_that_are_not_fewer_are_refused_in_a_sentence(labels):
    with pytest.raises(ConfigError, match="below the 200 pictures that `pico` reads"):
        synergy("pico", labels=labels)
