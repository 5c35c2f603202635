"""The control ladder: every rung leaves its skill's own samples alone, in either direction and on every world."""

from __future__ import annotations

from functools import lru_cache

import pytest

import tiny
from bothways.core.errors import ConfigError
from bothways.core.sample import Image
from bothways.data.dropout import dropped
from bothways.data.stream import MixtureStream
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.recipes.sources import sources_of
from bothways.studies.ladder import UNIFIED, ladder
from bothways.studies.rungs import LADDER
from bothways.study.plan import Plan, plan_of
from bothways.worlds import WORLDS

RUNGS = [(direction, rung.name) for direction in LADDER for rung in LADDER[direction]]
TERM = {"reading": "text", "drawing": "image"}
STEPS = (0, 1, 7)


@lru_cache
def planned(world: str, short: bool = False) -> Plan:
    return plan_of(ladder("vq-vq", world, short=short))


def arm(world: str, name: str) -> Recipe:
    (by_seed,) = planned(world).configs[name].values()
    return by_seed


def samples(recipe: Recipe, step: int) -> dict[str, list[tuple]]:
    """By source, everything that decides what a sample of a step is: id, segments and dropped condition."""
    found = sources_of(recipe, recipe.world.build())
    taken = {name: (source, recipe.data.sources[name].samples_per_step) for name, source in found.items()}
    stream = MixtureStream(taken, lambda *_: None, lambda batch: batch, recipe.data)
    by_source: dict[str, list[tuple]] = {}
    for sample in stream.samples(step):
        shown = [(s.learn, s.content.key if isinstance(s, Image) else s.content) for s in sample.segments]
        by_source.setdefault(sample.source, []).append((sample.id, shown, dropped(sample, step, recipe.data)))
    return by_source


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("direction", "rung"), RUNGS)
def test_own_task_samples_of_every_rung_are_those_of_the_skill_alone(world: str, direction: str, rung: str):
    alone, recipe = arm(world, f"{direction}-alone"), arm(world, f"{direction}-{rung}")
    for step in STEPS:
        own, found = samples(alone, step), samples(recipe, step)
        assert own and all(found[source] == seen for source, seen in own.items())
        assert found.keys() == own.keys() or rung != "alone"
    assert recipe.train.steps == alone.train.steps


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("direction", "rung"), [one for one in RUNGS if one[1] not in ("alone", "fresh", "again", "text")])
def test_the_other_tasks_pictures_are_those_of_the_unified_arm_at_the_same_step(world: str, direction: str, rung: str):
    for step in STEPS:
        unified, found = samples(arm(world, UNIFIED), step), samples(arm(world, f"{direction}-{rung}"), step)
        assert unified.keys() == found.keys()
        for source in unified:
            for (one_id, one, one_dropped), (two_id, two, _) in zip(unified[source], found[source], strict=True):
                assert one_id == two_id and pictures(one) == pictures(two) and isinstance(one_dropped, frozenset)


def pictures(shown: list[tuple]) -> list[str]:
    return [content for _, content in shown if content.startswith(("watch/", "shapes/"))]


@pytest.mark.parametrize(("direction", "rung"), [one for one in RUNGS if one[1] in ("fresh", "again")])
def test_alone_at_equal_computation_takes_as_many_samples_as_unified_and_its_loss_is_the_mean_over_all(direction, rung):
    recipe, unified = arm("watch", f"{direction}-{rung}"), arm("watch", UNIFIED)
    taken = {name: one.samples_per_step for name, one in recipe.data.sources.items()}
    assert sum(taken.values()) == sum(one.samples_per_step for one in unified.data.sources.values())
    weights, before = recipe.train.weights, unified.train.weights
    for name in [name for name in taken if name.endswith(f"/{rung}")]:
        own = name.removesuffix(f"/{rung}")
        mine, more = (weights[f"{one}:{TERM[direction]}"] for one in (own, name))
        assert mine + more == pytest.approx(before[f"{own}:{TERM[direction]}"])
        assert mine / more == pytest.approx(taken[own] / taken[name]), "every sample weighs the same"
        seen = {key for step in range(3) for _, shown, _ in samples(recipe, step)[name] for key in pictures(shown)}
        pool = {p.key for p in sources_of(recipe, recipe.world.build())[own].pictures()}
        assert seen <= pool if rung == "again" else not seen & pool


def test_what_a_rung_lacks_is_what_its_name_says():
    shown = {name: samples(arm("watch", name), 0) for name in planned("watch").configs}
    learned = {name: {s: [any(learn and k in pictures([(learn, k)]) for learn, k in one) for _, one, _ in seen]
                      for s, seen in by.items()} for name, by in shown.items()}  # fmt: skip
    assert not any(learned["reading-captions"]["watch/draw"]), "nothing is drawn"
    assert all(learned["drawing-requests"]["watch/vqa"]) and all(learned["drawing-requests"]["watch/caption"])
    assert {one[0][1] for _, one, _ in shown["reading-unasked"]["watch/draw"]} == {""}
    assert not any(pictures(one) for _, one, _ in shown["drawing-text"]["watch/text/alone"])
    assert shown["reading-weightless"] == shown["drawing-weightless"] == shown[UNIFIED]
    assert arm("watch", "reading-weightless").train.weights["watch/draw:image"] == 0
    muted = arm("watch", "drawing-weightless").train.weights
    assert muted["watch/vqa:text"] == muted["watch/caption:text"] == 0 and muted["watch/draw:image"] == 1


def test_a_skill_beside_weightless_samples_of_the_other_gets_the_gradient_that_it_gets_alone():
    from bothways.train.step import backward, step_counts, step_loss

    model = tiny.model(max_tokens=256)
    grads = []
    for weight, patterns in ((0.0, {"reading": 4, "drawing": 4}), (1.0, {"reading": 4})):
        stream = tiny.stream(model, patterns, drop_condition=0.0)
        (batch,) = stream.batches(0)
        model.zero_grad()
        counts = step_counts([batch])
        backward(step_loss(model.terms(batch), counts, {"drawing:image": weight}))
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0})
    assert grads[0].keys() == grads[1].keys()
    assert all(grads[1][name].allclose(grad, atol=1e-5) for name, grad in grads[0].items())


def test_every_rung_is_compared_with_the_unified_arm_and_the_short_ladder_is_a_part_of_the_long():
    long, short = planned("watch").study, planned("watch", short=True).study
    assert {one.control for one in long.comparisons} == {f"{direction}-{rung}" for direction, rung in RUNGS}
    assert {one.treatment for one in long.comparisons} == {UNIFIED}
    named = {one.name: one for one in long.arms}
    assert all(named[one.name] == one for one in short.arms) and len(short.arms) == 7
    assert {one.name for one in short.arms} >= {"reading-alone", "drawing-alone", UNIFIED}


def test_one_direction_alone_leaves_out_the_arms_of_the_other_and_steps_are_set_for_all():
    study = ladder(directions=("reading",), changes={"train.steps": 50})
    assert {arm.name.partition("-")[0] for arm in study.arms} == {"reading", UNIFIED}
    assert {config.train.steps for by_seed in plan_of(study).configs.values() for config in by_seed.values()} == {50}


def test_the_evidence_is_what_the_world_says():
    shapes = ladder("vq-vq", "shapes")
    primary = load_recipe("vq-vq", {"world.kind": "shapes"}).world.build().primary
    assert {one.primary for one in shapes.comparisons} == {f"{skill}/{level}/skill" for skill, level in primary.items()}


def test_the_ladder_stands_on_the_smallest_recipe_whose_hands_are_the_hour_alone():
    study, world = plan_of(ladder("pico", short=True)).study, load_recipe("pico").world.build()
    levels = {one.primary.split("/")[1] for one in study.comparisons}
    assert levels == {"hands"} and world.levels["hands"] == ("hour",) and "hands" not in study.gates


def test_rungs_know_what_is_changed_of_the_recipe():
    changed = {"data.sources.watch/draw.samples_per_step": 10, "train.weights.watch/vqa:text": 3.0}
    found = plan_of(ladder(short=True, changes=changed)).configs
    assert found["reading-captions"][0].train.weights["watch/draw:text"] == pytest.approx(3.0)
    assert {one[0].data.sources["watch/draw"].samples_per_step for one in found.values()} == {0, 10}


def test_a_recipe_that_edits_does_not_edit_in_a_ladder():
    found = plan_of(ladder("unifluid"))
    assert not any(found.samples["watch/edit"].values()) and found.samples["watch/draw"][UNIFIED] > 0


def test_a_recipe_that_lacks_a_skill_or_has_other_data_or_weights_that_move_is_refused(tmp_path):
    one = tmp_path / "reader.yaml"
    one.write_text("base: vq-vq\nname: reader\ndata: {sources: {watch/draw: {samples_per_step: 0}}}\n")
    with pytest.raises(ConfigError, match="`reader` trains no drawing"):
        ladder(str(one))
    other = tmp_path / "mine.yaml"
    other.write_text("base: vq-vq\nname: mine\ndata: {sources: {mine: {kind: llava, path: x.json, samples_per_step: 2}}}\n")
    with pytest.raises(ConfigError, match="`mine` takes `mine`"):
        ladder(str(other))
    moving = tmp_path / "moving.yaml"
    ramp = "{kind: ramp, first: 0.0, last: 1.0, steps: 10}"
    moving.write_text(f"base: vq-vq\nname: moving\ntrain: {{weights: {{'watch/draw:image': {ramp}}}}}\n")
    with pytest.raises(ConfigError, match="watch/draw:image` in the recipe `moving` is a ramp"):
        ladder(str(moving))
    with pytest.raises(ConfigError, match="direction of a ladder"):
        ladder(directions=("both",))
