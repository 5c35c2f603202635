"""Raster order is the identity permutation of one code path: the same numbers, bit for bit, and the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from bothways.core.rundir import RunDir
from bothways.layout import order
from bothways.model.store import load
from bothways.recipes.assemble import train
from bothways.train.log import read_log
from unified_training import recipe

STEPS = 4


def trained(run: Path, **changes) -> tuple[list[dict], dict[str, torch.Tensor]]:
    """The losses of every step and the last weights of a run of the recipe, by the trainer itself."""
    train(recipe(train__steps=STEPS, train__checkpoint_every_s=1000.0, **changes), run)
    return [line["terms"] for line in read_log(run / "log.jsonl")], load(RunDir.open(run))[0].state_dict()


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory):
    return trained(tmp_path_factory.mktemp("raster") / "run", model__order="raster")


def assert_same_training(one, other) -> None:
    assert one[0] == other[0] and len(one[0]) == STEPS
    assert one[1].keys() == other[1].keys()
    assert all(torch.equal(weight, other[1][name]) for name, weight in one[1].items())


def test_a_recipe_in_random_order_that_is_fed_the_identity_has_the_losses_of_the_raster_recipe(raster, tmp_path, monkeypatch):
    monkeypatch.setattr(order, "shuffled", lambda num, *name: np.arange(num))
    assert_same_training(trained(tmp_path / "identity", model__order="random"), raster)


def test_a_mixture_of_raster_orders_alone_has_the_losses_of_the_raster_recipe(raster, tmp_path):
    assert_same_training(trained(tmp_path / "mixed", model__order="mixed", model__raster_share=1.0), raster)


def test_a_mixture_of_random_orders_alone_is_the_random_recipe_and_that_is_another(raster, tmp_path):
    random = trained(tmp_path / "random", model__order="random")
    assert_same_training(trained(tmp_path / "mixed", model__order="mixed", model__raster_share=0.0), random)
    for step, (one, other) in enumerate(zip(random[0], raster[0], strict=True)):
        assert one["watch/draw:image"] != other["watch/draw:image"]
        assert step or one["watch/vqa:text"] == other["watch/vqa:text"], "pictures that are read have no order"


def test_every_order_has_the_same_parameters_with_the_same_first_values_and_trains_them_all():
    models = {name: tiny.model(order=name) for name in ("raster", "random", "mixed")}
    for name, model in models.items():
        for (key, weight), (other_key, other) in zip(
            model.named_parameters(), models["raster"].named_parameters(), strict=True
        ):
            assert key == other_key and torch.equal(weight, other), (name, key)
        losses = model.losses(tiny.batch_of(model, [tiny.sample("drawing")]))
        sum(loss.sum() for _, loss in losses.values()).backward()
        assert all(weight.grad.abs().sum() > 0 for weight in model.next_place.parameters()), name
