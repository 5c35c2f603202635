"""`bothways size`: weights counted on the meta device are those of the model that is built for real."""

from __future__ import annotations

import pytest

from bothways.core.errors import ConfigError
from bothways.model import freeze
from bothways.recipes import size
from bothways.recipes.assemble import build_model
from bothways.recipes.recipe import load_recipe


@pytest.mark.parametrize("name", ["vq-vq", "semantic-vq", "vq-semantic"])
def test_counts_without_weights_are_those_with_weights(name: str) -> None:
    recipe = load_recipe(name, {"model.frozen": ["backbone.layers.0"]})
    measured = size.size_of(recipe)
    assert measured.parts == freeze.counts(build_model(recipe))
    assert set(measured.tokens) == set(recipe.data.sources) and min(measured.tokens.values()) > 64


def test_a_published_backbone_is_counted_in_seconds_and_takes_no_memory() -> None:
    changes = {"model.backbone.size": "llama-2-7b"}
    parts = size.size_of(load_recipe("semantic-vq", changes)).parts
    assert parts["backbone"]["total"] == 6_738_415_616


def test_a_branch_adds_the_weights_of_the_layers_that_are_copied() -> None:
    changes = {"model.backbone.size": "llama-2-7b", "model.backbone.drawing_layers": 16}
    parts = size.size_of(load_recipe("semantic-vq", changes)).parts
    layer = 4 * 4096 * 4096 + 3 * 4096 * 11008 + 2 * 4096
    assert parts["backbone"]["total"] == 6_738_415_616 + 16 * layer


def test_unifluid_at_full_size_fits_together_around_gemma_2() -> None:
    """The number is the published one of Gemma-2 2B; 256 tokens on either side of a picture."""
    found = size.size_of(load_recipe("unifluid-2b"))
    assert found.parts["backbone"]["total"] == 2_614_341_888
    assert found.tokens["watch/edit"] > 3 * 256


def test_unihetero_at_full_size_fits_together_around_llama_2() -> None:
    """256 tokens a picture, predicted in a space as wide as the backbone; a copy of the projector is not trained."""
    found = size.size_of(load_recipe("unihetero-7b"))
    assert found.parts["backbone"]["total"] == 6_738_415_616
    assert found.parts["head"]["total"] == 4096 * 4096 + 4096
    assert found.parts["target"] == {"total": (768 + 1) * 4096 + (4096 + 1) * 4096, "trained": 0}
    assert found.tokens["watch/draw"] > 256


def test_a_part_that_gives_another_shape_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bothways.heads.categorical.CategoricalHead.loss", lambda self, hidden, *rest: hidden[:, 0][:1])
    with pytest.raises(ConfigError, match=r"The head gives \(1,\) where \(2,\) is needed"):
        size.size_of(load_recipe("vq-vq"))
