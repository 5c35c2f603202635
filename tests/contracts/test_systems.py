"""Every recipe of a model, shrunk: it learns a batch by heart on either side, answers, draws, edits, and comes back from disk.

Recipes that differ in size alone are one corner of the space of models and are trained once. A new recipe is tested here
without another line; a new kind of tokenizer needs its small twin in `tokenizer`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import bothways
import tiny
from bothways.core.rundir import RunDir
from bothways.generate.model import Model
from bothways.layout.batch import Batch
from bothways.model.store import keep_parts
from bothways.model.unified import UnifiedModel
from bothways.recipes.assemble import build_model, stream_of
from bothways.recipes.read import names
from bothways.recipes.recipe import Recipe, load_recipe
from bothways.train.trainer import Trainer
from bothways.vision.configs import SemanticConfig
from bothways.vision.kl_config import KLConfig
from bothways.vision.painter import save_painter
from bothways.vision.painter_configs import DirectPainterConfig
from bothways.vision.tokenizer import to_unit
from unified_training import OneBatch

BRANCHED = "unihetero, branched"  # as in GAS, whose positions that draw have upper layers of their own
MODELS = [name for name in names() if load_recipe(name).kind == "model"] + [BRANCHED]
KL = {"kind": "kl", "size_px": tiny.SIZE_PX, "unshuffle": 4, "channels": [8, 8, 8], "latent_channels": 4, "norm_groups": 4}
PAINTER = {"width": 16, "num_layers": 1, "num_heads": 2, "denoiser": {"width": 16, "num_blocks": 1}}
TRAIN = {"steps": 200, "lr": 1e-2, "weight_decay": 0.0, "threads": 1, "checkpoint_every_s": 1000.0, "log_every_steps": 200}
PER_STEP = {"vqa": 4, "draw": 2, "edit": 2}  # pictures of each source in the batch; captions take longer to learn by heart


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("systems")


@lru_cache
def tokenizer(kind: str, folder: Path) -> dict[str, Any]:
    """The config of a small tokenizer of 3 x 3 tokens, continuous ones of about unit size."""
    if kind == "vq":
        return tiny.VQ
    pixels = to_unit(torch.stack([torch.from_numpy(tiny.picture(n).array) for n in range(20)]).numpy())
    if kind == "kl":
        size = float(KLConfig.parse(KL).build().encode(pixels).square().mean().sqrt())
        return KL | {"scaling_factor": 1 / size}
    if kind == "codes":
        return {"kind": "codes", "of": tokenizer("semantic", folder), "num_codes": 32}
    assert kind == "semantic", "a new kind of tokenizer needs its small twin here"
    tower = SemanticConfig.parse(tiny.SEMANTIC).build()
    tower.measure([pixels])
    save_file(tower.weights(), folder / "tower.safetensors")
    named = tiny.SEMANTIC | {"weights": str(folder / "tower.safetensors")}
    built = SemanticConfig.parse(named).build()
    save_painter(
        DirectPainterConfig(channels=(8,), num_res_blocks=(0,)).build(built.spec), folder / "painter.safetensors", built
    )
    return named | {"painter": str(folder / "painter.safetensors")}


def small(name: str, folder: Path) -> Recipe:
    """The recipe's corner: all that says what kind of model it is, and nothing that says how large."""
    recipe = load_recipe(name.partition(",")[0])
    values = recipe.to_dict()
    sides = {side: tokenizer(getattr(recipe.model, side).kind, folder) for side in ("given", "learned")}
    head = values["model"]["head"]
    head |= {key: value for key, value in {"width": 32, "num_blocks": 1}.items() if key in head}
    backbone = {"kind": "transformers", "size": "tiny", "family": "llama", "drawing_layers": int(name == BRANCHED)}
    values["model"] |= sides | {"head": head, "backbone": backbone, "max_tokens": 256, "feedback_noise": 0.0}
    if recipe.model.painter:
        values["model"]["painter"]["masked"] |= PAINTER | {"latents": tokenizer("kl", folder)}
    sources = {source: PER_STEP.get(source.partition("/")[2], 0) for source in recipe.data.sources}
    values["data"] = {
        "drop_condition": 0.0,
        "sources": {source: {"samples_per_step": number, "num_pictures": 8} for source, number in sources.items()},
    }
    exam = {"sampler": recipe.exam.sampler, "sampling_steps": 4 if recipe.exam.sampler else None}
    train = TRAIN | {"clip_apart": recipe.train.clip_apart}
    return Recipe.parse({**values, "name": "small", "about": "", "train": train, "exam": exam})


@torch.no_grad()
def measured(model: UnifiedModel, batch: Batch) -> dict[str, float]:
    """Mean loss of each duty, in eval mode: with fixed times and noise where the head takes any."""
    training = model.training
    found = {duty.name.lower(): float(losses.mean()) for duty, (_, losses) in model.eval().losses(batch).items()}
    model.train(training)
    return found


@lru_cache
def learned(corner: str, folder: Path) -> tuple[UnifiedModel, dict[str, float], dict[str, float], Path]:
    """The trained model of a corner (a recipe as JSON), its losses before and after, and its run."""
    recipe = Recipe.model_validate_json(corner)
    run = RunDir.create(folder / recipe.digest(), recipe.to_dict())
    model = build_model(recipe)
    keep_parts(run, recipe.model, model.wording)
    (batch,) = stream_of(recipe, recipe.world.build(), model).batches(0)
    stream = OneBatch(batch)
    before = measured(model, stream.batch)
    Trainer(model, stream, recipe.train, run).fit()
    return model, before, measured(model, stream.batch), run.path


@pytest.mark.parametrize("name", MODELS)
def test_a_system_learns_one_batch_by_heart_and_does_again_from_disk_what_it_did(name: str, folder: Path) -> None:
    recipe = small(name, folder)
    model, before, after, run = learned(recipe.model_dump_json(), folder)
    assert before["text"] > 3 and after["text"] < 0.2, "nats"
    assert after["image"] < before["image"] / 2

    loaded = bothways.load(run)
    mine = Model(model.eval(), run, TRAIN["steps"], loaded.how_to_draw)
    picture = mine.draw("draw a red watch.", seed=3)
    assert picture.size == (tiny.SIZE_PX, tiny.SIZE_PX)
    assert picture.tobytes() == loaded.draw("draw a red watch.", seed=3).tobytes()
    assert mine.answer(picture, "what is the weather?") == loaded.answer(picture, "what is the weather?")
    if any(source.endswith("/edit") for source in recipe.data.sources):
        assert mine.edit(picture, "make it blue.").tobytes() == loaded.edit(picture, "make it blue.").tobytes()
