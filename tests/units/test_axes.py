"""Axes that overlap, and primary measures that nobody measures: refused when a study is planned."""

from __future__ import annotations

import pytest
from studies import small_study

from bothways.core.errors import ConfigError
from bothways.evaluate.measurable import measurable
from bothways.studies import STUDIES
from bothways.study.axes import lies_on
from bothways.study.plan import plan_of
from bothways.study.study import Study
from bothways.worlds import WORLDS


@pytest.mark.parametrize(
    ("axis", "sentence"),
    [
        (["data.sources", "data.sources.watch/draw"], "names `data.sources.watch/draw` and `data.sources`, which overlap"),
        (["data.sources.watch/draw", "data.sources"], "leave `data.sources.watch/draw` out"),
        (["data.sources", "data.sources"], "overlap"),
    ],
)
def test_an_axis_that_names_a_thing_twice_is_refused(axis: list[str], sentence: str):
    with pytest.raises(ConfigError, match=f"The axis of study .*{sentence}"):
        small_study(axis=axis)
    reading = small_study().comparisons[0].with_changes({"axis": axis})
    with pytest.raises(ConfigError, match=f"The axis of comparison `reading` .*{sentence}"):
        small_study(comparisons=(reading,))


def test_keys_that_begin_alike_do_not_overlap():
    assert small_study(axis=["data.sources", "data.sources_of", "train.lr"]).axis
    assert lies_on(["data.sources"], "data.sources.watch/draw") and not lies_on(["data.sources"], "data.sources_of")


def test_a_comparison_asks_about_the_studys_axis_or_a_part_of_it():
    reading = small_study().comparisons[0]
    assert small_study(comparisons=(reading.with_changes({"axis": ["data.sources.watch/draw"]}),))
    with pytest.raises(ConfigError, match=r"names `train\.lr`, which is not on the study's \(data\.sources\)"):
        small_study(comparisons=(reading.with_changes({"axis": ["data.sources", "train.lr"]}),))


@pytest.mark.parametrize("changes", [{"train.seed": 3}, {"model": {"width": 64, "seed": 1}}])
def test_an_arm_sets_nothing_that_the_seeds_set(changes: dict):
    first, *others = small_study().arms
    changed = first.with_changes({"changes": {**first.changes, **changes}})
    with pytest.raises(ConfigError, match=r"Arm `understanding` changes .* and the study's seeds set"):
        small_study(arms=(changed, *others))


def test_two_comparisons_that_ask_the_same_are_refused():
    reading, drawing = small_study().comparisons
    again = reading.with_changes({"name": "again"})
    with pytest.raises(ConfigError, match="The comparisons `reading` and `again` ask the same: unified against understanding"):
        small_study(comparisons=(reading, drawing, again))
    assert small_study(comparisons=(reading, again.with_changes({"primary": "reading/hour/skill"})))


@pytest.mark.parametrize(
    ("changes", "primary", "expected"),
    [
        ({}, "reading/hands/skil", ("Did you mean `reading/hands/skill`", "Known: reading/hands/accuracy")),
        ({}, "reading/moon/skill", ("reading/hour/skill", "of `unified` in the world watch, on which comparison `reading`")),
        ({"base_world": "shapes"}, "reading/hour/skill", ("in the world shapes", "reading/object/skill")),
        ({}, "hearing/hands/skill", ("names are known",)),
    ],
)
def test_a_primary_measure_that_no_exam_gives_is_refused_with_those_that_it_gives(changes, primary, expected):
    study = STUDIES.load("quickstart")
    reading = study.comparisons[0].to_dict() | {"primary": primary}
    if changes:
        changes |= {"arms": [arm.to_dict() | {"changes": {}} for arm in study.arms], "matching": "none"}
    asked = Study.parse(study.to_dict() | {"comparisons": [reading]} | changes)
    with pytest.raises(ConfigError) as refused:
        plan_of(asked)
    for words in (f"`{primary}`", *expected):
        assert words in str(refused.value)


def test_what_an_exam_does_not_ask_for_is_no_measure_of_it():
    study = STUDIES.load("quickstart")
    undrawn = Study.parse(study.to_dict() | {"base_changes": {"exam.num_drawings": 0}})
    with pytest.raises(ConfigError, match="`drawing/hands/skill`"):
        plan_of(undrawn)


@pytest.mark.parametrize("world", WORLDS)
def test_what_is_primary_in_a_world_is_measured_there(world: str):
    of = WORLDS.load(world)().build()
    known = measurable(of, ("question", "drawing"))
    assert {f"{skill}/{level}/skill" for skill, level in of.primary.items()} <= known
    assert not any(name.startswith(("captions/", "editing/", "open_drawing/")) for name in known)
