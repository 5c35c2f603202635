"""Every study in the catalogue: no confound, an honest cost, and arms that train, read and draw at a tiny size."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import tiny
from bothways.core.errors import ConfigError
from bothways.model.projector import matching_width
from bothways.recipes import assemble
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.studies import STUDIES, quickstart
from bothways.studies.transfer import ENLARGED_WIDTH
from bothways.study.budget import amount
from bothways.study.cost import Cost, cost_of, costs_of, with_flops
from bothways.study.dial import placed
from bothways.study.plan import Plan, flatten, plan
from bothways.study.run import run
from bothways.study.study import Study

TOKENIZERS = {"vq": tiny.VQ, "patches": tiny.PATCHES, "semantic": tiny.SEMANTIC}
SMALL_POOL = 32  # pictures; more than a study's 16 labels, so that some of them stay unlabelled
BUDGET = {
    "train.steps": 2,
    "train.milestones": 0,
    "train.dtype": "float32",
    "model.backbone": {"kind": "transformers", "width": 32, "num_heads": 2, "num_layers": 4, "attention": "sdpa"},
    "model.max_tokens": 256,
    "data.sources.watch/vqa.samples_per_step": 2,
    "data.sources.watch/caption.samples_per_step": 1,
    "data.sources.watch/draw.samples_per_step": 2,
    **{f"data.sources.watch/{kind}.num_pictures": SMALL_POOL for kind in ("vqa", "caption", "draw")},
    "exam.num_pictures": 3,
    "exam.num_drawings": 1,
    "exam.num_pictures_between": 2,
    "exam.max_text_tokens": 4,
}


@lru_cache
def planned(name: str) -> Plan:
    study = STUDIES.load(name)
    return plan(study, load_recipe(study.base, kind="model"))


def small(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer's config at 48 px with random weights."""
    if tokenizer["kind"] == "warped":
        return tokenizer | {"of": small(tokenizer["of"])}
    return TOKENIZERS[tokenizer["kind"]] | {"seed": tokenizer["seed"]} if "seed" in tokenizer else TOKENIZERS[tokenizer["kind"]]


def smallest(recipe: Recipe) -> Recipe:
    """The arm's recipe at a tiny budget; what the arm changes stays."""
    taken = {name: source.samples_per_step for name, source in recipe.data.sources.items()}
    idle = {f"data.sources.{name}.samples_per_step": 0 for name, number in taken.items() if not number}
    values = recipe.to_dict()
    pools = {f"data.sources.{name}.num_pictures": 8 for name in taken}
    sides = {f"model.{side}": small(values["model"][side]) for side in ("given", "learned")}
    return recipe.with_changes(BUDGET | pools | idle | sides)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_passes_the_confound_check_and_every_comparison_has_both_arms_alike_but_for_data(name: str):
    found = planned(name)
    flat = {arm: flatten(by_seed[found.study.seeds[0]].to_dict()) for arm, by_seed in found.configs.items()}
    for comparison in found.study.comparisons:
        one, other = flat[comparison.treatment], flat[comparison.control]
        differs = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
        weights = ("train.weights.",) if name.startswith("ladder") else ()  # what a ladder adds, or mutes, has a weight
        assert differs and all(key.startswith(("data.sources.", *weights)) for key in differs), comparison.name


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_says_what_is_asked_expected_and_controlled_and_what_it_costs(name: str):
    study, cost = planned(name).study, cost_of(planned(name))
    assert study.question and study.claim and study.expectation and study.controls and study.held_fixed
    assert study.reproduce.startswith("bothways ") and study.reproduce.split()[-1] in (name, "quickstart")
    assert cost.runs == len(study.arms) and 0.1 < cost.core_hours < 10
    assert str(cost).startswith(f"{cost.runs} runs, ") and str(cost).endswith(" GB")
    assert 55 * cost.runs < cost.disk_mb < 70 * cost.runs, "six checkpoints of weights and moments, and answers"


def test_operations_of_a_study_are_the_sum_over_its_arms_and_give_the_hours_that_were_measured():
    """Nano models trained 195 samples a second on one core, so both ways to tell the hours agree."""
    found = planned("quickstart")
    plain, by_arm = cost_of(found), with_flops(costs_of(found), found)
    whole = sum(by_arm.values(), Cost())
    assert by_arm["unified"].flops == pytest.approx(by_arm["understanding"].flops + by_arm["drawing"].flops, rel=0.1)
    assert whole.flops == pytest.approx(sum(amount(by_seed[0], "FLOPs") for by_seed in found.configs.values()))
    assert whole.core_hours == pytest.approx(plain.core_hours, rel=0.15) and "FLOPs" in str(whole)
    assert (whole * 5).flops == 5 * whole.flops and (whole * 5).runs == 15 and (whole + plain).flops is None


@pytest.mark.parametrize("name", STUDIES)
def test_every_arm_trains_a_step_at_a_tiny_size(name: str):
    for arm, by_seed in planned(name).configs.items():
        recipe = smallest(by_seed[0])
        model = tiny_model(recipe)
        stream = assemble.stream_of(recipe, recipe.world.build(), model)
        losses = [tally.total / tally.count for batch in stream.batches(0) for tally in model.terms(batch).values()]
        torch.stack(losses).sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None), arm
        drawn = any("draw" in source for batch in stream.batches(0) for source in batch.sources)
        assert drawn == bool(recipe.data.sources["watch/draw"].samples_per_step), arm


def tiny_model(recipe: Recipe):
    from bothways.model.unified import UnifiedModel

    return UnifiedModel(recipe.model, tiny.WORDING, tiny._encodings(recipe.model))


@pytest.mark.parametrize("dial", ["alignment", "alignment-p1"])
def test_drawing_arms_never_see_the_dial_of_given_tokens(dial: str):
    found = planned(dial)
    losses = []
    for arm, by_seed in found.configs.items():
        if arm.startswith("drawing"):
            recipe = smallest(by_seed[0])
            model = tiny_model(recipe)
            terms = model.terms(assemble.stream_of(recipe, recipe.world.build(), model).batches(0)[0])
            losses.append(float(terms["watch/draw:image"].total.detach()))
    assert len(set(losses)) == 1 and len(losses) == 4


def test_arms_of_a_comparison_that_differ_in_more_than_its_axis_are_refused():
    study = STUDIES.load("alignment")
    across = study.comparisons[0].with_changes({"treatment": "unified-r050", "control": "understanding-r000"})
    with pytest.raises(ConfigError, match=r"differ in `model\.given\.rotation` \(0\.5, 0\.0\)"):
        plan(Study.parse({**study.to_dict(), "comparisons": [across.to_dict()], "claims": []}), load_recipe("vq-vq"))


def test_a_dial_without_places_gets_the_measured_distance_once_for_each_pair_of_tokenizers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    asked = []

    def measured(recipe: Recipe) -> SimpleNamespace:
        asked.append(recipe.model.given.kind)
        return SimpleNamespace(same_place=1 / len(asked))

    monkeypatch.setattr("bothways.recipes.distance.distance_of", measured)
    natural = planned("alignment-natural")
    at = placed(natural, tmp_path).dial.at
    assert placed(natural, tmp_path).dial.at == at, "what was measured is kept"
    assert sorted(asked) == ["patches", "semantic", "vq", "vq", "vq"] and set(at) == {c.name for c in natural.study.comparisons}
    assert all(at[f"reading-{setting}"] == at[f"drawing-{setting}"] for setting in ("same", "seed", "objective", "grid"))
    assert len(set(at.values())) == 5 and not natural.study.dial.at
    assert placed(planned("alignment"), tmp_path) is planned("alignment").study


@pytest.mark.parametrize("name", ["alignment", "alignment-frozen", "alignment-absorbed", "alignment-p1", "labels-saved"])
def test_a_dial_with_places_has_one_for_every_comparison(name: str):
    study = planned(name).study
    assert set(study.dial.at) == {comparison.name for comparison in study.comparisons}
    with pytest.raises(ConfigError, match="no place on its dial"):
        Study.parse({**study.to_dict(), "dial": {"name": "x", "at": {"nothing": 1.0}}})


def test_the_enlarged_projector_holds_as_many_weights_as_the_backbone():
    model = assemble.build_model(load_recipe("vq-vq"))
    number = sum(weight.numel() for weight in model.backbone.parameters())
    assert matching_width(model.config.projector, model.given.spec, model.backbone.width, number) == ENLARGED_WIDTH


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_from_plan_to_report_at_a_tiny_budget(name: str, tmp_path: Path):
    study = STUDIES.load(name)
    given = {arm.name: arm.changes.get("model.given") for arm in study.arms}
    arms = [
        arm.with_changes({"changes": {**arm.changes, "model.given": small(given[arm.name])}}) if given[arm.name] else arm
        for arm in study.arms
    ]
    # Keys with dots of their own cannot be merged as dotted changes, so the study is parsed anew.
    base = study.base_changes | BUDGET | {"train.threads": 1, "model.learned": tiny.VQ}
    base["model.given"] = small(dict(study.base_changes.get("model.given", tiny.VQ)))
    tried = Study.parse({**study.to_dict(), "base_changes": base, "arms": [arm.to_dict() for arm in arms]})
    report = run(tried, tmp_path)
    assert report.exists() and study.title in report.read_text().replace("&#39;", "'")


def test_the_reading_arm_of_a_model_that_edits_is_not_trained_to_edit():
    arms = {arm.name: arm.changes for arm in quickstart.study("unifluid").arms}
    assert arms["understanding"] == {f"data.sources.watch/{kind}.samples_per_step": 0 for kind in ("draw", "edit")}
    assert arms["drawing"] == {f"data.sources.watch/{kind}.samples_per_step": 0 for kind in ("vqa", "caption")}
