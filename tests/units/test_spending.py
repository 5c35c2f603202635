"""What a run of every recipe spends: two steps of its real stream beside torch's counter, and encoding once or always."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.flop_counter import FlopCounterMode

import tiny
import unified_training
from bothways.data.dropout import dropped
from bothways.layout.batch import collate
from bothways.recipes import flops
from bothways.recipes import seen as counted
from bothways.recipes.assemble import build_model, stream_of
from bothways.recipes.read import names
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.recipes.spending import spending_of
from bothways.train.optim import build_optimizer

MODELS = [name for name in names() if load_recipe(name).kind == "model"]
TOWER = {"size_px": 56, "width": 48, "num_layers": 2, "num_heads": 2, "mlp_ratio": 2}
# A published tower and autoencoder, smaller; everything else keeps the tokenizers that it ships with.
SMALLER = {
    "unifluid-2b": {
        "model.given": {"size_px": 64, "width": 48, "num_layers": 2, "num_heads": 2, "mlp_ratio": 2},
        "model.learned": {"size_px": 64, "channels": [32, 32, 32, 32, 32], "num_res_blocks": 1},
    },
    "unihetero-7b": {f"model.{side}": TOWER for side in ("given", "learned")},
}
STEPS = 2


def tiny_recipe(name: str) -> Recipe:
    """One sample of each source a step, the smallest backbone on the path that torch can count."""
    recipe = load_recipe(name, SMALLER.get(name))
    one = {f"data.sources.{source}.samples_per_step": 1 for source in recipe.data.sources}
    backbone = {"model.backbone": tiny.BACKBONE | {"attention": "matmul", "family": recipe.model.backbone.family}}
    known = (
        {"model.painter.least_hidden": 1.0} if recipe.model.painter else {}
    )  # how many latents are hidden is drawn otherwise
    return recipe.with_changes(
        one | backbone | known | {"train.steps": STEPS, "train.milestones": 0, "data.drop_condition": 0.5}
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_run_of_a_recipe_spends_what_torch_counts(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counted, "NUM_SAMPLES", STEPS)
    recipe = tiny_recipe(name)
    model = build_model(recipe).train()
    stream, optimizer = stream_of(recipe, recipe.world.build(), model), build_optimizer(model, recipe.train)
    found = 0.0
    for step in range(STEPS):
        model.before_step(step + 1)  # no step at which targets are looked at
        for sample in stream.samples(step):
            batch = model.attach(collate([stream.build(sample, dropped(sample, step, recipe.data), step)], [sample]))
            found += products(lambda batch=batch: sum(t.total for t in model.terms(batch).values()).backward())
        found += products(optimizer.step)
    assert spending_of(recipe, model).flops == pytest.approx(found, rel=0.02)


def products(run: Any) -> float:
    with FlopCounterMode(display=False) as counter:
        run()
    return float(counter.get_total_flops())


def test_a_picture_is_encoded_once_a_tokenizer_and_again_for_every_sample_without_a_cache():
    recipe = unified_training.recipe(data__drop_condition=0.0)
    spent, price = spending_of(recipe), flops.encoding_cost(tiny.model().given)
    assert spent.encoding.pictures == 10 and spent.encoding.flops == 10 * price, "one tokenizer on both sides, one pool"
    assert spent.encoding.flops_without_cache == pytest.approx(8 * unified_training.STEPS * price)
    apart = spending_of(recipe.with_changes({"model.given": tiny.VQ | {"seed": 1}, "model.projector.shared": False}))
    assert apart.encoding.pictures == 20


def test_drawings_and_their_reconstructions_are_decoded_and_open_drawings_have_none():
    recipe = unified_training.recipe(exam__num_drawings=20, exam__num_open_drawings=5, exam__num_edits=7)
    price = flops.decoding_cost(tiny.model().learned)
    assert spending_of(recipe).decoding.flops == 45 * price, "no source of edits, so none is asked for"
    assert spending_of(recipe, draws=False).decoding.pictures == 0


def test_without_a_model_the_same_is_found_on_the_meta_device_and_parts_and_sources_add_up():
    recipe = unified_training.recipe(train__muon={})
    spent = spending_of(recipe)
    assert spent == spending_of(recipe, build_model(recipe))
    by_source = sum(flops.total(parts.values()) for parts in spent.sources.values())
    assert spent.flops == pytest.approx(by_source + spent.optimizer) and spent.optimizer > 0
    assert spent.sources["watch/draw"]["image head"].total > 0 == spent.sources["watch/vqa"]["image head"].total


def test_frozen_weights_are_told_apart_from_trained_ones():
    spent = spending_of(unified_training.recipe(model__frozen=["backbone"])).parts
    assert spent["backbone"].frozen > 0 == spent["backbone"].forward == spent["backbone"].weights
    assert spent["backbone"].through == spent["backbone"].frozen, "projectors learn through it"
    assert spent["image head"].weights == spent["image head"].forward > 0
