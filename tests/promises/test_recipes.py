"""Every recipe that ships: it says what it is, can be parsed without torch, and can be built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bothways.layout.build import build
from bothways.layout.sequence import Duty
from bothways.layout.wording import load_wording
from bothways.model.unified import UnifiedModel
from bothways.recipes import FOLDER
from bothways.recipes.read import names
from bothways.recipes.recipe import COMMANDS, Recipe, load_recipe
from bothways.recipes.sources import DRAWING, READING, sources_of, trains
from bothways.vision.painter import save_painter
from bothways.vision.painter_configs import DirectPainterConfig

PLAIN = DirectPainterConfig(channels=(8,), num_res_blocks=(0,))  # of a grid of any size
MODELS = [name for name in names() if load_recipe(name).kind == "model"]


@pytest.mark.parametrize("name", names())
def test_a_recipe_says_in_its_header_which_command_runs_it(name: str) -> None:
    recipe = load_recipe(name)
    header = re.match(r"(#.*\n)+", (FOLDER / f"{name}.yaml").read_text())
    assert header and f"{COMMANDS[recipe.kind]} {name} --out" in header.group()
    assert recipe.name == name and recipe.about
    assert type(recipe).parse(recipe.to_dict()) == recipe


@pytest.mark.parametrize("name", MODELS)
def test_the_model_of_a_recipe_can_be_built_small(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    small = {}
    for side in ("given", "learned"):
        part = getattr(recipe.model, side)
        small |= {f"model.{side}.weights": None} if hasattr(part, "weights") else {}
        if hasattr(part, "painter"):
            file = tmp_path / f"{side}-painter.safetensors"
            small[f"model.{side}.painter"] = str(file)
            tokenizer = part.with_changes({"weights": None, "painter": None}).build()
            save_painter(PLAIN.build(tokenizer.spec), file, tokenizer)
    recipe = recipe.with_changes(small | {"model.backbone.size": "tiny"})
    assert isinstance(recipe, Recipe)
    model = UnifiedModel(recipe.model, load_wording(recipe.model.text))
    assert model.learned.spec.can_draw and sum(weight.numel() for weight in model.parameters()) > 10_000


@pytest.mark.parametrize("name", MODELS)
def test_the_samples_of_a_recipe_fit_its_context_and_train_a_skill(name: str) -> None:
    recipe = load_recipe(name)
    sources = sources_of(recipe, recipe.world.build())
    assert trains(recipe, READING) or trains(recipe, DRAWING)
    assert set(term.rpartition(":")[0] for term in recipe.train.weights) <= set(sources)
    model, wording = recipe.model, load_wording(recipe.model.text)
    for source in sources.values():
        for cursor in range(20):
            sequence = build(source.sample(cursor), wording, model.given.spec, model.learned.spec, max_tokens=model.max_tokens)
            assert (sequence.duty != int(Duty.NONE)).any()


@pytest.mark.parametrize("name", [name for name in names() if load_recipe(name).kind == "tokenizer"])
def test_the_tokenizer_of_a_recipe_can_be_built(name: str) -> None:
    recipe = load_recipe(name)
    config = recipe.tokenizer.with_changes({"weights": None} if hasattr(recipe.tokenizer, "weights") else {})
    assert config.build().spec == config.spec
