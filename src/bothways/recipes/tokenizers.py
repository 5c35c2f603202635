"""From a tokenizer recipe to a trained tokenizer: visual ones scored by the reader, the text one by its length."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import save_file

from bothways.core.disk import write_json
from bothways.core.rundir import RunDir
from bothways.data.pictures import PictureStream
from bothways.data.worlds import corpus
from bothways.layout import bpe
from bothways.recipes.recipe import TextTokenizerRecipe, TokenizerRecipe
from bothways.train.trainer import Fitted, Trainer
from bothways.vision.tokenizer import AbstractTokenizer, to_uint8, to_unit
from bothways.vision.vq_training import PictureBatch, VQTraining, codebook_use
from bothways.worlds.world import AbstractWorld

SCORED = ("weather", "weather_corner", "battery_corner", "hour", "minute", "second", "battery", "color")


def train_tokenizer(recipe: TokenizerRecipe, out: Path, resume: bool = False, console: Console | None = None) -> Fitted:
    """Trains in the run folder `out`, which then also holds `tokenizer.safetensors` (fp16) and its card `tokenizer.json`."""
    tokenizer = recipe.tokenizer.build()  # refuse what does not fit before anything is written
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    worlds = {name: config.build() for name, config in recipe.worlds.items()}
    stream = PictureStream(
        worlds,
        recipe.shares,
        recipe.samples_per_step,
        tokenizer.spec.size_px,
        lambda pictures: PictureBatch(to_unit(pictures)),
        recipe.train.seed,
    )
    training = VQTraining(tokenizer, recipe.training)
    fitted = Trainer(training, stream, recipe.train, run, console=console, title="tokenizer").fit()
    publish(recipe, tokenizer, worlds, out, fitted)
    run.mark_done({"steps": fitted.steps, "seconds": round(fitted.seconds)})
    return fitted


def train_text_tokenizer(recipe: TextTokenizerRecipe, out: Path, resume: bool = False) -> Path:
    """Trains the BPE and writes `tokenizer.json` into the run folder `out`; returns its path. Takes seconds."""
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    share = -(-recipe.num_texts // len(recipe.worlds))
    texts = [text for config in recipe.worlds.values() for text in corpus(config.build(), share)]
    tokenizer = bpe.train(texts, recipe.num_entries)
    bpe.save(tokenizer, out / "tokenizer.json")
    run.mark_done({"texts": len(texts), "tokens_per_text": sum(len(tokenizer.encode(t).ids) for t in texts) / len(texts)})
    return out / "tokenizer.json"


def publish(recipe: TokenizerRecipe, tokenizer: AbstractTokenizer, worlds: dict, out: Path, fitted: Fitted) -> None:
    """Writes the weights in fp16 and, scored on what those weights do, the card beside them."""
    weights = {name: tensor.half().contiguous() for name, tensor in tokenizer.network.state_dict().items()}
    save_file(weights, out / "tokenizer.safetensors")
    tokenizer.load_weights(out / "tokenizer.safetensors")
    tokenizer.requires_grad_(False).eval()
    scores = {name: score(tokenizer, world, recipe.num_held_out) for name, world in worlds.items()}
    card = {
        "recipe": json.loads(recipe.model_dump_json()),
        "trained": {"steps": fitted.steps, "pictures": fitted.samples, "seconds": round(fitted.seconds)},
        "held_out": scores,
    }
    write_json(out / "tokenizer.json", card)


@torch.inference_mode()
def score(tokenizer: AbstractTokenizer, world: AbstractWorld, num_pictures: int) -> dict[str, Any]:
    """What the world's reader reads on reconstructions of validation pictures, pixel error, and codebook use.

    Per attribute: shares `right`, `wrong`, `unreadable`; for minute and second also `within_one` mark, for battery `within_5`.
    """
    scenes = [world.scene("validation", index) for index in range(num_pictures)]
    pictures = np.stack([world.render(scene, tokenizer.spec.size_px) for scene in scenes])
    tokens = torch.cat([tokenizer.encode(to_unit(part)) for part in np.array_split(pictures, max(1, num_pictures // 50))])
    painted = np.concatenate([to_uint8(tokenizer.decode(part)) for part in tokens.split(50)])
    readings = [world.read(picture) for picture in painted]
    facts = [world.facts(scene) for scene in scenes]
    found: dict[str, Any] = {
        name: _shares(name, [fact[name] for fact in facts], [reading[name].value for reading in readings])
        for name in SCORED
        if facts[0].get(name) is not None
    }
    error = (painted.astype(np.float32) - pictures.astype(np.float32)) / 255
    return {
        "num_pictures": num_pictures,
        "attributes": found,
        "root_mean_square_error": round(float(np.sqrt((error**2).mean())), 4),
        "codebook": codebook_use(tokens, tokenizer.spec.tokens.vocab),
    }


def _shares(name: str, truth: list, read: list) -> dict[str, float]:
    pairs = list(zip(truth, read, strict=True))

    def share(holds: Callable[[Any, Any], bool]) -> float:
        return round(sum(holds(t, r) for t, r in pairs) / len(pairs), 4)

    shares = {
        "right": share(lambda t, r: r == t),
        "wrong": share(lambda t, r: r is not None and r != t),
        "unreadable": share(lambda t, r: r is None),
    }
    if name in ("minute", "second"):
        shares["within_one"] = share(lambda t, r: r is not None and min((r - t) % 60, (t - r) % 60) <= 1)
    if name == "battery":
        shares["within_5"] = share(lambda t, r: r is not None and abs(r - t) <= 5)
    return shares
