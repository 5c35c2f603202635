"""From a tokenizer recipe to a trained tokenizer and its card."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from bothways.core.disk import write_json
from bothways.core.rundir import RunDir
from bothways.data.pictures import PictureStream
from bothways.data.worlds import corpus
from bothways.layout import bpe
from bothways.recipes.cards import reconstruction, score
from bothways.recipes.folder_cards import rebuilt
from bothways.recipes.recipe import TextTokenizerRecipe, TokenizerRecipe
from bothways.train.trainer import Trainer
from bothways.vision.objective import AbstractFit

SCORES = {"tokenizer": score, "painter": reconstruction}  # a tokenizer's card tells of its tokens whoever paints them
NUM_MEASURED = 2048  # training pictures on which a tokenizer measures the constants of its tokens, or is made as a whole


class Made(NamedTuple):
    """What making a tokenizer took: no steps where it looks at all its pictures at once."""

    steps: int
    samples: int
    seconds: float


def train_tokenizer(recipe: TokenizerRecipe, out: Path, resume: bool = False, console: Console | None = None) -> Made:
    """Trains in the run folder `out`, which then also holds `tokenizer.safetensors` (fp16) and its card `tokenizer.json`.

    An objective that makes a painter leaves `painter.safetensors` and `painter.json` instead.
    """
    tokenizer = recipe.tokenizer.build()  # refuse what does not fit before anything is written
    worlds = {name: config.build() for name, config in recipe.worlds.items()}
    folders = {name: config.build() for name, config in recipe.folders.items()}
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    making = recipe.training.build(tokenizer)
    batch, seed = (making.batch, recipe.train.seed) if recipe.train else (None, recipe.training.seed)
    stream = PictureStream(worlds | folders, recipe.shares, recipe.samples_per_step, batch, seed)
    made = Made(0, 0, 0.0)
    if recipe.train:
        fitted = Trainer(making, stream, recipe.train, run, console=console, title=recipe.training.makes).fit()
        made = Made(fitted.steps, fitted.samples, fitted.seconds)
    tokenizer.requires_grad_(False).eval()
    began, seen = time.monotonic(), range(max(1, NUM_MEASURED // recipe.samples_per_step))
    pictures = [picture for step in seen for picture in stream.pictures(step)]
    making.finish(pictures)
    if not recipe.train:
        made = Made(0, len(pictures), time.monotonic() - began)
    publish(recipe, making, worlds, out, made, folders)
    run.mark_done({"steps": made.steps, "seconds": round(made.seconds)})
    return made


def train_text_tokenizer(recipe: TextTokenizerRecipe, out: Path, resume: bool = False) -> Path:
    """Trains the BPE and writes `tokenizer.json` into the run folder `out`; returns its path. Takes seconds."""
    run = RunDir.create(out, recipe.to_dict(), resume=resume)
    share = -(-recipe.num_texts // len(recipe.worlds))
    texts = [text for config in recipe.worlds.values() for text in corpus(config.build(), share)]
    tokenizer = bpe.train(texts, recipe.num_entries)
    bpe.save(tokenizer, out / "tokenizer.json")
    run.mark_done({"texts": len(texts), "tokens_per_text": sum(len(tokenizer.encode(t).ids) for t in texts) / len(texts)})
    return out / "tokenizer.json"


def publish(
    recipe: TokenizerRecipe, making: AbstractFit, worlds: dict, out: Path, made: Made, folders: dict | None = None
) -> None:
    """Writes the weights in fp16 and, scored on what those weights do, the card beside them."""
    name = recipe.training.makes
    tokenizer = making.publish(out / f"{name}.safetensors")
    scores = {of: SCORES[name](tokenizer, world, recipe.num_held_out) for of, world in worlds.items()}
    scores |= {of: rebuilt(tokenizer, folder, recipe.num_held_out, out / of) for of, folder in (folders or {}).items()}
    card = {
        "recipe": json.loads(recipe.model_dump_json()),
        "trained": {"steps": made.steps, "pictures": made.samples, "seconds": round(made.seconds)},
        "held_out": scores,
    }
    write_json(out / f"{name}.json", card)
